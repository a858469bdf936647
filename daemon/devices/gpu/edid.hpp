// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/screen.hpp"

#include <cstddef>
#include <vector>

namespace hvisor::devices::gpu {

/// What a display would say of itself (VESA E-EDID 1.4): one block of 128 bytes
/// with the preferred mode, its timing by CVT with reduced blanking, at 60 Hz
/// where the screen has no rate, and slower where it is too fast for the block.
/// Nothing when the block cannot say that size: drivers then take it from
/// GET_DISPLAY_INFO.
[[nodiscard]] std::vector<std::byte> make_edid(const ScreenFacts& facts);

} // namespace hvisor::devices::gpu
