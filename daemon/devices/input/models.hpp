// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/capabilities.hpp"

#include <cstdint>

namespace hvisor::devices::input {

/// A tablet's coordinates, in both directions: what fits a signed 16 bit number,
/// as every other virtual tablet has it.
inline constexpr std::uint32_t tablet_range = 32767;

/// A keyboard with all keys that a PC's has, multimedia keys and the power
/// button among them, and its LEDs.
[[nodiscard]] Capabilities keyboard();
/// A pointer that says where it is.
[[nodiscard]] Capabilities tablet();
/// A pointer that says how far it has moved.
[[nodiscard]] Capabilities mouse();

} // namespace hvisor::devices::input
