// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/painted_cursor.hpp"

#include "devices/gpu/cursor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

/// Bytes of what is put by.
constexpr std::size_t hidden_row = Cursor::side * bytes_per_pixel;

/// From `position` on, as far as it is on a display of that many pixels.
std::pair<std::uint32_t, std::uint32_t> on_screen(std::int32_t position, std::uint32_t pixels) {
    const auto begin = std::clamp<std::int64_t>(position, 0, pixels);
    const auto end = std::clamp<std::int64_t>(std::int64_t{position} + Cursor::side, 0, pixels);
    return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end - begin)};
}

} // namespace

void PaintedCursor::set(const Cursor* cursor) {
    cursor_ = cursor != nullptr ? std::optional(*cursor) : std::nullopt;
    ++version_;
}

void PaintedCursor::move(CursorPosition position) {
    if (position.x != position_.x || position.y != position_.y) {
        position_ = position;
        ++version_;
    }
}

void PaintedCursor::forget() {
    for (auto& hidden : hidden_) {
        hidden.place = {};
    }
}

bool PaintedCursor::is_other(std::size_t buffer) const {
    const auto& hidden = hidden_.at(buffer);
    return cursor_ ? hidden.version != version_ : !hidden.place.empty();
}

Rect PaintedCursor::place_on(Size display) const {
    const auto [x, width] = on_screen(position_.x, display.width);
    const auto [y, height] = on_screen(position_.y, display.height);
    const Rect place{.x = x, .y = y, .width = width, .height = height};
    return cursor_ && !place.empty() ? place : Rect{};
}

void PaintedCursor::lift(std::size_t buffer, const Canvas& canvas) {
    auto& hidden = hidden_.at(buffer);
    uncover(buffer, Rect::of(canvas.size), canvas);
    hidden.place = {};
}

void PaintedCursor::lay(std::size_t buffer, const Canvas& canvas) {
    auto& hidden = hidden_.at(buffer);
    hidden.place = place_on(canvas.size);
    hidden.version = version_;
    const auto& place = hidden.place;
    for (std::uint32_t row = 0; row < place.height; ++row) {
        std::memcpy(&hidden.pixels.at(row * hidden_row), canvas.at(place.x, place.y + row),
                    place.width * bytes_per_pixel);
    }
    if (!place.empty()) {
        draw_cursor(*cursor_, position_, canvas);
    }
}

void PaintedCursor::uncover(std::size_t buffer, const Rect& part, const Canvas& to) const {
    const auto& hidden = hidden_.at(buffer);
    const auto both = hidden.place.intersect(part);
    for (std::uint32_t row = 0; row < both.height; ++row) {
        const auto from =
            (both.y - hidden.place.y + row) * hidden_row + (both.x - hidden.place.x) * bytes_per_pixel;
        std::memcpy(to.at(both.x - part.x, both.y - part.y + row), &hidden.pixels.at(from),
                    both.width * bytes_per_pixel);
    }
}

} // namespace hvisor::devices::gpu
