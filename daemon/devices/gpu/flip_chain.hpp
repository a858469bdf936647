// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "devices/gpu/drm_mode.hpp"
#include "devices/gpu/painted_cursor.hpp"
#include "devices/gpu/screen.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

namespace hvisor::devices::gpu {

/// How far a flip has come.
enum class Flip {
    on_its_way, ///< FlipChain::flipped() will be called
    done,       ///< shown already, and nobody tells when the next one may be
    busy,       ///< the display cannot take one now; nothing was changed
};

/// What shows one of two buffers.
class FlipOutput {
  public:
    FlipOutput() = default;
    FlipOutput(const FlipOutput&) = delete;
    FlipOutput& operator=(const FlipOutput&) = delete;
    FlipOutput(FlipOutput&&) = delete;
    FlipOutput& operator=(FlipOutput&&) = delete;
    virtual ~FlipOutput() = default;

    /// As large as the display's mode.
    [[nodiscard]] virtual Canvas canvas(std::size_t buffer) = 0;
    /// Show it; `damage` is what was painted. `sets_mode`: before anything else
    /// was shown in this mode. An errno value when that is not possible.
    [[nodiscard]] virtual std::expected<Flip, int> flip(std::size_t buffer, const Rect& damage,
                                                        bool sets_mode) = 0;
    /// Call FlipChain::resume() after a busy moment, or after the time of one frame.
    virtual void call_later(Flip reason) = 0;
};

/// Two buffers that take turns on a display, one flip at a time. Frames that
/// come while a flip is on its way are joined into the next. Only what a buffer
/// lacks is painted: what has changed since it was painted last.
class FlipChain {
  public:
    using Outcome = std::expected<void, int>;

    /// A mode begins with its own two buffers: all is painted. A flip of older
    /// buffers may still be on its way.
    [[nodiscard]] Outcome begin(FlipOutput& output, const Picture& picture, const Placement& placement);
    /// Another picture in the same mode.
    [[nodiscard]] Outcome change(const Picture& picture, const Placement& placement);
    /// Nothing is to be shown any more; every frame counts as shown.
    void end();

    /// This part of the picture has changed. With an error the frame counts as shown.
    [[nodiscard]] Outcome present(const Rect& damage);
    /// The pointer, where the display has none of its own; null: none.
    [[nodiscard]] Outcome set_cursor(const Cursor* cursor);
    /// Of the display.
    [[nodiscard]] Outcome move_cursor(CursorPosition position);
    /// The flip that was on its way is shown.
    [[nodiscard]] Outcome flipped();
    /// call_later() has waited long enough.
    [[nodiscard]] Outcome resume();

    /// The number of the frame presented last, and of the one shown last.
    [[nodiscard]] std::uint64_t presented() const { return presented_; }
    [[nodiscard]] std::uint64_t shown() const { return shown_; }
    [[nodiscard]] bool is_on() const { return output_ != nullptr; }
    /// The mode is not to be seen yet.
    [[nodiscard]] bool is_beginning() const { return sets_mode_; }
    /// Copy what is shown, without the pointer, to a canvas of the picture's size; black
    /// where the display had no room.
    void read(const Canvas& to) const;

  private:
    /// What of a buffer is not as the picture is.
    struct Lack {
        bool all = false; ///< the black around it, too
        Rect part{};      ///< of the picture
    };
    struct Flight {
        std::optional<std::size_t> buffer; ///< nothing: one of the mode before
        std::uint64_t frame = 0;
    };

    [[nodiscard]] Outcome advance();
    [[nodiscard]] bool is_due() const;
    /// What is other than on the display now.
    [[nodiscard]] Rect paint(std::size_t buffer);
    void land();

    FlipOutput* output_ = nullptr;
    const Picture* picture_ = nullptr;
    Placement placement_{};
    std::array<Lack, 2> lacks_{};
    PaintedCursor cursor_;
    std::size_t front_ = 0;
    std::optional<Flight> flight_;
    bool sets_mode_ = false;
    bool is_waiting_ = false; ///< for resume()
    std::uint64_t presented_ = 0;
    std::uint64_t shown_ = 0;
};

} // namespace hvisor::devices::gpu
