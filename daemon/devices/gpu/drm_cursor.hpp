// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/drm_buffer.hpp"
#include "devices/gpu/drm_card.hpp"
#include "devices/gpu/screen.hpp"

#include <array>
#include <cstddef>

namespace hvisor::devices::gpu {

/// The pointer that the card itself puts over the picture. By the calls from
/// before atomic modesetting, which drivers of both kinds take: a pointer moves
/// more often than pictures are flipped, and these do not wait for a flip.
class DrmCursor {
  public:
    /// `not_found` when the CRTC has no cursor, or none of 64 x 64. The lease outlives it.
    [[nodiscard]] static Result<DrmCursor> make(const DrmLease& lease);

    /// Null: none. False when the driver refuses it.
    [[nodiscard]] bool show(const Cursor* cursor);
    /// Of the display.
    void move(CursorPosition position);

  private:
    DrmCursor(const DrmLease& lease, std::array<DrmBuffer, 2> buffers)
        : lease_(&lease), buffers_(std::move(buffers)) {}

    const DrmLease* lease_;
    std::array<DrmBuffer, 2> buffers_; ///< in turns, so that none is changed while it is shown
    std::size_t next_ = 0;
};

} // namespace hvisor::devices::gpu
