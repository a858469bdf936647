#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the JSON schema of a zone to the verdicts of the corpus.

The unit test "the reader agrees with the corpus" holds the reader to the same
ones, so that an editor and hvisord never disagree on a file that is in it.

    schema.py SCHEMA CORPUS
"""

import json
import pathlib
import sys

import jsonschema


def merge(target: object, patch: object) -> object:
    """RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def main(schema_path: pathlib.Path, corpus: pathlib.Path) -> int:
    schema = json.loads(schema_path.read_text())
    jsonschema.Draft4Validator.check_schema(schema)
    validator = jsonschema.Draft4Validator(schema)
    wrong = checked = 0
    for verdict in ("good", "bad"):
        for path in sorted((corpus / verdict).glob("*.json")):
            base = json.loads((corpus / (path.name.split("-")[0] + ".json")).read_text())
            problems = list(validator.iter_errors(merge(base, json.loads(path.read_text()))))
            checked += 1
            if bool(problems) == (verdict == "good"):
                wrong += 1
                print(f"{path}: the schema says {'bad' if problems else 'good'}")
                for problem in problems[:3]:
                    print(f"    /{'/'.join(map(str, problem.absolute_path))}: {problem.message[:200]}")
    print(f"{checked} files, {wrong} with another verdict")
    return 1 if wrong or not checked else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
