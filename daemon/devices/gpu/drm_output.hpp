// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "devices/gpu/drm_card.hpp"
#include "devices/gpu/flip_chain.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <xf86drmMode.h>

namespace hvisor::devices::gpu {

/// Shows buffers on a leased connector. A flip is shown at the display's next
/// vertical blanking, which the lease's descriptor tells (take_flips()).
class DrmOutput {
  public:
    using Outcome = std::expected<Flip, int>;

    /// By atomic modesetting where the driver has it. The lease outlives it.
    [[nodiscard]] static std::unique_ptr<DrmOutput> make(const DrmLease& lease);
    DrmOutput() = default;
    DrmOutput(const DrmOutput&) = delete;
    DrmOutput& operator=(const DrmOutput&) = delete;
    DrmOutput(DrmOutput&&) = delete;
    DrmOutput& operator=(DrmOutput&&) = delete;
    virtual ~DrmOutput() = default;

    [[nodiscard]] virtual Outcome set_mode(const drmModeModeInfo& mode, std::uint32_t framebuffer) = 0;
    /// `damage`: where the framebuffer is not as it was when it was shown before.
    [[nodiscard]] virtual Outcome flip(std::uint32_t framebuffer, const Rect& damage) = 0;
};

/// How many flips have been shown since the last call, by the events of a
/// lease. Never blocks.
[[nodiscard]] unsigned take_flips(int fd);

} // namespace hvisor::devices::gpu
