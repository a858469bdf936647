// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <map>
#include <string>
#include <vector>

namespace hvisor::cli {

/// One object of output: names are those of D-Bus properties.
using JsonObject = std::map<std::string, sdbus::Variant>;

/// An array of objects, indented, with a newline at its end. 64-bit numbers
/// stay numbers; D-Bus takes care that text is UTF-8. A value of a D-Bus type
/// that this API does not use is null.
[[nodiscard]] std::string to_json(const std::vector<JsonObject>& objects);
/// One object, indented, with a newline at its end.
[[nodiscard]] std::string to_json(const JsonObject& object);
/// One object on one line, for streams of them.
[[nodiscard]] std::string to_json_line(const JsonObject& object);

} // namespace hvisor::cli
