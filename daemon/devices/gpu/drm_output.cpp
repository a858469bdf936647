// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_output.hpp"

#include "devices/gpu/drm_atomic.hpp"
#include "devices/gpu/drm_legacy.hpp"

#include <array>
#include <cstring>
#include <unistd.h>
#include <xf86drm.h>

namespace hvisor::devices::gpu {

std::unique_ptr<DrmOutput> DrmOutput::make(const DrmLease& lease) {
    if (lease.is_atomic()) {
        return std::make_unique<DrmAtomic>(lease);
    }
    return std::make_unique<DrmLegacy>(lease);
}

unsigned take_flips(int fd) {
    // The kernel gives whole events only, and as many as there is room for.
    std::array<std::byte, 1024> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
    const auto count = ::read(fd, buffer.data(), buffer.size());
    unsigned flips = 0;
    drm_event event{};
    for (std::size_t at = 0; count > 0 && static_cast<std::size_t>(count) - at >= sizeof event;
         at += event.length) {
        std::memcpy(&event, buffer.data() + at, sizeof event);
        flips += event.type == DRM_EVENT_FLIP_COMPLETE ? 1 : 0;
        if (event.length < sizeof event || event.length > static_cast<std::size_t>(count) - at) {
            break;
        }
    }
    return flips;
}

} // namespace hvisor::devices::gpu
