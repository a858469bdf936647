// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"

#include <cstdint>
#include <span>
#include <xf86drmMode.h>

// Which mode of a display shows a picture, and where in it: no system calls.
namespace hvisor::devices::gpu {

[[nodiscard]] inline Size size_of(const drmModeModeInfo& mode) {
    return {.width = mode.hdisplay, .height = mode.vdisplay};
}
[[nodiscard]] bool is_same(const drmModeModeInfo& a, const drmModeModeInfo& b);

/// Pictures a second, in mHz; 0 when the mode makes no sense.
[[nodiscard]] std::uint32_t refresh_of(const drmModeModeInfo& mode);

/// The mode of exactly that size; of several the display's own, or the fastest
/// of up to 60 Hz, because each frame is a copy. Null: none.
[[nodiscard]] const drmModeModeInfo* find_mode(std::span<const drmModeModeInfo> modes, Size size);

/// The one that the display likes best; null when it has none.
[[nodiscard]] const drmModeModeInfo* preferred_mode(std::span<const drmModeModeInfo> modes);

/// Where a picture is on a display: all of it in the middle, or as much of the
/// upper left as there is room for, each direction by itself.
struct Placement {
    Rect part{};         ///< of the picture, that is to be seen
    std::uint32_t x = 0; ///< of the display, where it begins
    std::uint32_t y = 0;
    [[nodiscard]] bool operator==(const Placement&) const = default;

    /// The same part of the picture, on the display.
    [[nodiscard]] Rect on_display(const Rect& of_picture) const {
        return {.x = x + of_picture.x,
                .y = y + of_picture.y,
                .width = of_picture.width,
                .height = of_picture.height};
    }
};
[[nodiscard]] Placement place(Size picture, Size display);

} // namespace hvisor::devices::gpu
