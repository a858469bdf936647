// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_legacy.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

namespace hvisor::devices::gpu {
namespace {

std::uint16_t coordinate(std::uint32_t value) {
    return static_cast<std::uint16_t>(
        std::min<std::uint32_t>(value, std::numeric_limits<std::uint16_t>::max()));
}

} // namespace

DrmOutput::Outcome DrmLegacy::set_mode(const drmModeModeInfo& mode, std::uint32_t framebuffer) {
    mode_ = mode;
    return set(framebuffer);
}

DrmOutput::Outcome DrmLegacy::set(std::uint32_t framebuffer) {
    auto connector = lease_.connector();
    if (drmModeSetCrtc(lease_.fd(), lease_.crtc(), framebuffer, 0, 0, &connector, 1, &mode_) != 0) {
        return std::unexpected(errno);
    }
    return Flip::done;
}

DrmOutput::Outcome DrmLegacy::flip(std::uint32_t framebuffer, const Rect& damage) {
    Outcome outcome = Flip::on_its_way;
    if (!can_flip_) {
        outcome = set(framebuffer);
    } else if (drmModePageFlip(lease_.fd(), lease_.crtc(), framebuffer, DRM_MODE_PAGE_FLIP_EVENT, nullptr) !=
               0) {
        if (errno == EBUSY) {
            return Flip::busy;
        }
        // A driver without flips shows another buffer as it sets a mode.
        can_flip_ = errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP;
        outcome = can_flip_ ? std::unexpected(errno) : set(framebuffer);
    }
    if (outcome && wants_damage_) {
        drmModeClip clip{.x1 = coordinate(damage.x),
                         .y1 = coordinate(damage.y),
                         .x2 = coordinate(damage.x + damage.width),
                         .y2 = coordinate(damage.y + damage.height)};
        wants_damage_ = drmModeDirtyFB(lease_.fd(), framebuffer, &clip, 1) == 0;
    }
    return outcome;
}

} // namespace hvisor::devices::gpu
