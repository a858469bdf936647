// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_mode.hpp"

#include <algorithm>
#include <limits>

namespace hvisor::devices::gpu {
namespace {

/// "60 Hz" is anything up to this in the modes of displays.
constexpr std::uint32_t sixty = 60999;

bool is_preferred(const drmModeModeInfo& mode) {
    return (mode.type & DRM_MODE_TYPE_PREFERRED) != 0;
}

/// Better modes of one size have larger ranks.
std::uint64_t rank(const drmModeModeInfo& mode) {
    const auto refresh = refresh_of(mode);
    const std::uint64_t whole = (mode.flags & DRM_MODE_FLAG_INTERLACE) == 0 ? 1 : 0;
    const std::uint64_t own = is_preferred(mode) ? 1 : 0;
    const std::uint64_t calm = refresh <= sixty ? 1 : 0;
    // Of those that are too fast the slowest.
    const std::uint64_t speed = calm != 0 ? refresh : std::numeric_limits<std::uint32_t>::max() - refresh;
    return whole << 34 | own << 33 | calm << 32 | speed;
}

} // namespace

bool is_same(const drmModeModeInfo& a, const drmModeModeInfo& b) {
    return size_of(a) == size_of(b) && a.clock == b.clock && a.hsync_start == b.hsync_start &&
           a.hsync_end == b.hsync_end && a.htotal == b.htotal && a.hskew == b.hskew &&
           a.vsync_start == b.vsync_start && a.vsync_end == b.vsync_end && a.vtotal == b.vtotal &&
           a.vscan == b.vscan && a.flags == b.flags;
}

std::uint32_t refresh_of(const drmModeModeInfo& mode) {
    // The kernel's drm_mode_vrefresh(), a thousand times finer.
    auto pixels = std::uint64_t{mode.htotal} * mode.vtotal;
    if ((mode.flags & DRM_MODE_FLAG_DBLSCAN) != 0) {
        pixels *= 2;
    }
    pixels *= std::max<std::uint64_t>(mode.vscan, 1);
    if (pixels == 0) {
        return 0;
    }
    auto millihertz = std::uint64_t{mode.clock} * 1'000'000; // kHz
    if ((mode.flags & DRM_MODE_FLAG_INTERLACE) != 0) {
        millihertz *= 2;
    }
    millihertz = (millihertz + pixels / 2) / pixels;
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>(millihertz, std::numeric_limits<std::uint32_t>::max()));
}

const drmModeModeInfo* find_mode(std::span<const drmModeModeInfo> modes, Size size) {
    const drmModeModeInfo* best = nullptr;
    for (const auto& mode : modes) {
        if (size_of(mode) == size && (best == nullptr || rank(mode) > rank(*best))) {
            best = &mode;
        }
    }
    return best;
}

const drmModeModeInfo* preferred_mode(std::span<const drmModeModeInfo> modes) {
    // The kernel puts the best first; some displays say of none that they prefer it.
    const auto own = std::ranges::find_if(modes, is_preferred);
    if (own != modes.end()) {
        return &*own;
    }
    return modes.empty() ? nullptr : modes.data();
}

Placement place(Size picture, Size display) {
    Placement placement;
    placement.part.width = std::min(picture.width, display.width);
    placement.part.height = std::min(picture.height, display.height);
    placement.x = (display.width - placement.part.width) / 2;
    placement.y = (display.height - placement.part.height) / 2;
    return placement;
}

} // namespace hvisor::devices::gpu
