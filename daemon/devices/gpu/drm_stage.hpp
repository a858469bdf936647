// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/drm_buffer.hpp"
#include "devices/gpu/drm_card.hpp"
#include "devices/gpu/drm_cursor.hpp"
#include "devices/gpu/drm_output.hpp"
#include "devices/gpu/flip_chain.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace hvisor::devices::gpu {

/// A connector while it is lent: its mode, the two buffers of that, its pointer.
class DrmStage final : public FlipOutput {
  public:
    using CallLater = std::function<void(Flip)>;

    [[nodiscard]] static Result<std::unique_ptr<DrmStage>> open(DrmCard& card, const Connector& connector,
                                                                CallLater call_later);

    /// Another mode, from the next flip that sets one. The buffers that are on
    /// the display, or on their way there, stay until settle(). An error leaves
    /// all as it was.
    [[nodiscard]] Result<void> use(const drmModeModeInfo& mode);
    /// The mode is to be seen.
    void settle();
    /// Nothing when use() has not been called.
    [[nodiscard]] const drmModeModeInfo* mode() const;

    [[nodiscard]] Canvas canvas(std::size_t buffer) override;
    [[nodiscard]] std::expected<Flip, int> flip(std::size_t buffer, const Rect& damage,
                                                bool sets_mode) override;
    void call_later(Flip reason) override { call_later_(reason); }

    /// Readable when there is something for take_flips().
    [[nodiscard]] int fd() const { return lease_.fd(); }
    [[nodiscard]] const DrmLease& lease() const { return lease_; }
    /// The card's own pointer; false when it has none, or none like this: it has to be painted
    /// then. Null: none is to be seen.
    [[nodiscard]] bool show_cursor(const Cursor* cursor);
    /// Of the display. The same.
    [[nodiscard]] bool move_cursor(CursorPosition position);

  private:
    DrmStage(DrmLease lease, CallLater call_later);
    struct Buffers {
        drmModeModeInfo mode{};
        std::array<DrmBuffer, 2> pair;
    };

    DrmLease lease_; ///< first, as what is made with it goes before it
    CallLater call_later_;
    std::unique_ptr<DrmOutput> output_;
    std::optional<DrmCursor> cursor_;
    std::vector<std::unique_ptr<Buffers>> buffers_; ///< the last are the mode's
};

} // namespace hvisor::devices::gpu
