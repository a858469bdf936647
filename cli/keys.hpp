// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::cli {

/// The number of a key: of its name in linux/input-event-codes.h in any case and
/// with or without KEY_ ("KEY_LEFTCTRL", "leftctrl"), or as it is written. Nothing for other words.
[[nodiscard]] std::optional<std::uint16_t> key_number(std::string_view word);

/// All names, without KEY_ and in small letters: "leftctrl".
[[nodiscard]] std::vector<std::string> all_keys();

} // namespace hvisor::cli
