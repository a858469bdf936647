// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/drm_output.hpp"

#include <cstdint>

namespace hvisor::devices::gpu {

/// Atomic modesetting: a flip changes one plane, and says what of it.
class DrmAtomic final : public DrmOutput {
  public:
    explicit DrmAtomic(const DrmLease& lease);

    [[nodiscard]] Outcome set_mode(const drmModeModeInfo& mode, std::uint32_t framebuffer) override;
    [[nodiscard]] Outcome flip(std::uint32_t framebuffer, const Rect& damage) override;

  private:
    /// Of the properties that are set, by the names that the kernel gives them.
    struct Ids {
        std::uint32_t connector_crtc = 0;
        std::uint32_t crtc_mode = 0;
        std::uint32_t crtc_active = 0;
        std::uint32_t plane_framebuffer = 0;
        std::uint32_t plane_crtc = 0;
        std::uint32_t source_x = 0;
        std::uint32_t source_y = 0;
        std::uint32_t source_width = 0;
        std::uint32_t source_height = 0;
        std::uint32_t x = 0;
        std::uint32_t y = 0;
        std::uint32_t width = 0;
        std::uint32_t height = 0;
        std::uint32_t damage = 0; ///< 0: the driver has no use for it
    };

    const DrmLease& lease_;
    Ids ids_;
};

} // namespace hvisor::devices::gpu
