// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/json_document.hpp"

#include <string>
#include <string_view>

namespace hvisor::zone {

/// `text` as a JSON string, with its quotation marks.
[[nodiscard]] std::string json_string(std::string_view text);

/// The whole document, with drop-ins merged into it, as JSON with comments
/// that name file and line of each part.
[[nodiscard]] std::string print_with_origins(const JsonDocument& document);

} // namespace hvisor::zone
