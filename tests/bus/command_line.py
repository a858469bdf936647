# SPDX-License-Identifier: Apache-2.0
"""Every command and option of `hvisorctl --help` is in its manual and in the completion
of each shell, and completion asks the daemon for names.

    command_line.py HVISORD HVISORCTL bash|fish|zsh|man FILE
"""

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import support


def walk(hvisorctl, path=()):
    """Commands as tuples of words, each with its commands and options, from the top."""
    text = subprocess.run([hvisorctl, *path, "--help"], check=True, capture_output=True, text=True).stdout
    text += "\n\n"
    words = {}
    for title in "Options", "Subcommands":
        section = re.search(rf"^{title}:\n(.*?)\n\n", text, re.S | re.M)
        words[title] = re.findall(r"^  ([^\s]+)", section[1], re.M) if section else []
    options = {option for names in words["Options"] for option in names.split(",")}
    assert "--help" in options, f"--help of {path} cannot be read: {text}"
    yield path, set(words["Subcommands"]), options
    for command in words["Subcommands"]:
        yield from walk(hvisorctl, (*path, command))


class Shell:
    """Completes command lines after "hvisorctl": an answer is the set of words offered."""

    def __init__(self, hvisorctl, file):
        # The shells run elsewhere.
        self._hvisorctl = Path(hvisorctl).absolute()
        self.file = Path(file).absolute()

    def environment(self, home):
        """hvisorctl by its name, and no settings of whoever runs this."""
        path = f"{self._hvisorctl.parent}:{os.environ['PATH']}"
        return os.environ | {"PATH": path, "HOME": home, "ZDOTDIR": home, "XDG_CONFIG_HOME": home, "TERM": "dumb"}

    def run(self, *command):
        """Run a script that prints what is offered, one a line, and "--" after each answer."""
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as empty:
            return answers(subprocess.run(command, check=True, capture_output=True, text=True, cwd=empty,
                                          env=self.environment(home)).stdout)


def answers(text):
    """What is between lines "--", without what each says of a word."""
    return [{word.split("\t")[0].removesuffix("=") for word in answer.splitlines() if word}
            for answer in re.split(r"^--\n", text, flags=re.M)[:-1]]


class Bash(Shell):
    """Completion is a function that reads COMP_WORDS."""

    def complete(self, lines):
        script = [f"source {shlex.quote(str(self.file))}"]
        for line in lines:
            # That is how bash breaks words.
            words = [word for text in line for word in re.split("(=)", text)]
            script.append(f"COMP_WORDS=(hvisorctl {shlex.join(words)}) COMP_CWORD={len(words)}; "
                          "_hvisorctl; printf '%s\\n' \"${COMPREPLY[@]}\" --")
        return self.run("bash", "--norc", "-c", "\n".join(script))


class Fish(Shell):
    """Has a command for it."""

    def complete(self, lines):
        script = [f"source {shlex.quote(str(self.file))}"]
        script += [f'complete -C "hvisorctl {" ".join(line)}"; printf "%s\\n" --' for line in lines]
        return self.run("fish", "--no-config", "-c", "\n".join(script))


class Zsh(Shell):
    """Completes only on a terminal, where what compadd is given goes to a file."""

    SETTINGS = """
        fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000
        compadd() {{ local -a hits; builtin compadd -O hits "$@"; print -rl -- $hits >>{out}; builtin compadd "$@" }}
        end-answer() {{ print -- -- >>{out}; zle kill-whole-line }}
        zle -N end-answer; bindkey '^G' end-answer
    """

    def complete(self, lines):
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as empty:
            out = Path(home, "out")
            out.touch()
            Path(home, ".zshrc").write_text(self.SETTINGS.format(folder=self.file.parent, out=out), encoding="utf-8")
            child, terminal = pty.fork()
            if child == 0:
                os.chdir(empty)
                os.execvpe("zsh", ["zsh", "-d", "-i"], self.environment(home))
            # What it prints is of no use, but has to go somewhere.
            threading.Thread(target=drain, args=[terminal], daemon=True).start()
            try:
                os.write(terminal, "".join(f"hvisorctl {' '.join(line)}\t\x07" for line in lines).encode())
                for count, line in enumerate(lines):
                    support.wait_until(lambda: len(answers(out.read_text(encoding="utf-8"))) > count,
                                       f"zsh does not complete {line}")
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            return answers(out.read_text(encoding="utf-8"))


def drain(terminal):
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        pass  # its other side has gone


SHELLS = {"bash": Bash, "fish": Fish, "zsh": Zsh}


def compare(what, wanted, found):
    """Sentences on what is missing and what is too much."""
    return ([f"{what}: {word} is missing" for word in sorted(wanted - found)]
            + [f"{what}: there is no {word}" for word in sorted(found - wanted)])


def check_words(shell, commands):
    """Completion offers the very commands and options that there are."""
    lines = [[*path, last] for path, _, _ in commands for last in ("", "-")]
    offered = iter(shell.complete(lines))
    problems = []
    for path, words, options in commands:
        after, dash = next(offered), next(offered)
        name = f"{shell.file.name}: hvisorctl {' '.join(path)}".rstrip()
        if words:
            problems += compare(name, words, after)
        problems += compare(name, options | commands[0][2], dash)
    return problems


def check_names(shell, hvisord, hvisorctl):
    """Completion asks the daemon that the command line is for."""
    with support.Daemon(hvisord) as daemon:
        before = shell.complete([["--bus=session", "zone", "show", ""], ["zone", "start", "--bus", "session", ""],
                                 ["--bus", "session", "zone", "shutdown", ""]])
        subprocess.run([hvisorctl, "--bus=session", "zone", "start", daemon.zone], check=True)
        after = shell.complete([["--bus=session", "zone", "shutdown", ""],
                                ["--bus=session", "device", "show", daemon.zone, ""],
                                ["--bus=session", "zone", "console", daemon.zone, "--device", ""]])
    devices = {"block-a003c00", "console-a003800"}
    # Without a name some offer what else may come there.
    found = [{word for word in answer if word[0] != "-"} for answer in before + after]
    wanted = [{"root-linux", daemon.zone}, {daemon.zone}, set(), {daemon.zone}, devices, devices]
    return [f"{shell.file.name}: offers {sorted(offered)} for names of the daemon, not {sorted(names)}"
            for offered, names in zip(found, wanted, strict=True) if offered != names]


def check_manual(page, commands):
    """Each command has an item, with its options behind it; the others have a section."""
    text = Path(page).read_text(encoding="utf-8")
    items = re.split(r"^\.(?=It Cm |Ss )", text, flags=re.M)
    everywhere = commands[0][2]
    problems = []
    for path, words, options in commands:
        start = f"It Cm {' '.join(path)}" if path else "Ss Options"
        item = next((item for item in items if re.match(rf"{start}( Ar| Op|\n)", item)), "")
        if not item and not words:
            problems.append(f"{page}: no item for hvisorctl {' '.join(path)}")
        # "Fl -follow", or "Fl f , -follow"
        problems += [f"{page}: hvisorctl {' '.join(path)}: {option} is missing"
                     for option in sorted(options - (everywhere if path else set()))
                     if not re.search(rf"(\bFl|,) {option[1:]}\b", item)]
    return problems


def main(hvisord, hvisorctl, where, file):
    commands = list(walk(hvisorctl))
    if where == "man":
        problems = check_manual(file, commands)
    else:
        shell = SHELLS[where](hvisorctl, file)
        problems = check_words(shell, commands) + check_names(shell, hvisord, hvisorctl)
    if problems:
        sys.exit("\n".join(problems))


main(*sys.argv[1:])
