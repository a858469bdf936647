// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/drm_output.hpp"

#include <cstdint>

namespace hvisor::devices::gpu {

/// The calls from before atomic modesetting, for drivers that have only those.
/// Setting a mode waits for the display here; flips do not.
class DrmLegacy final : public DrmOutput {
  public:
    explicit DrmLegacy(const DrmLease& lease) : lease_(lease) {}

    [[nodiscard]] Outcome set_mode(const drmModeModeInfo& mode, std::uint32_t framebuffer) override;
    [[nodiscard]] Outcome flip(std::uint32_t framebuffer, const Rect& damage) override;

  private:
    [[nodiscard]] Outcome set(std::uint32_t framebuffer);

    const DrmLease& lease_;
    drmModeModeInfo mode_{};
    bool can_flip_ = true;
    bool wants_damage_ = true;
};

} // namespace hvisor::devices::gpu
