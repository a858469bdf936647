// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "devices/gpu/screen.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace hvisor::devices::gpu {

/// The pointer of a display that has none of its own: painted over the picture in either
/// of two buffers, with what it hides there put by.
class PaintedCursor {
  public:
    /// Null: none.
    void set(const Cursor* cursor);
    /// Of the display.
    void move(CursorPosition position);
    /// The buffers are others, and have none.
    void forget();

    /// Whether the buffer shows it otherwise than it is now.
    [[nodiscard]] bool is_other(std::size_t buffer) const;
    /// Where the buffer has it.
    [[nodiscard]] const Rect& place(std::size_t buffer) const { return hidden_.at(buffer).place; }
    /// Take it away, so that the picture can be painted. Nothing where it is not.
    void lift(std::size_t buffer, const Canvas& canvas);
    /// Paint it where it is now.
    void lay(std::size_t buffer, const Canvas& canvas);
    /// What it hides in the buffer, into a copy of this part of that.
    void uncover(std::size_t buffer, const Rect& part, const Canvas& to) const;

  private:
    /// What a buffer has under it.
    struct Hidden {
        Rect place{};
        std::uint64_t version = 0;
        std::array<std::byte, std::size_t{Cursor::side} * Cursor::side * bytes_per_pixel> pixels{};
    };

    [[nodiscard]] Rect place_on(Size display) const;

    std::optional<Cursor> cursor_;
    CursorPosition position_;
    std::uint64_t version_ = 0; ///< one more with each change
    std::array<Hidden, 2> hidden_;
};

} // namespace hvisor::devices::gpu
