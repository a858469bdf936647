// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/cursor.hpp"

#include "devices/gpu/formats.hpp"
#include "devices/gpu/view.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hvisor::devices::gpu {
namespace {

constexpr Size cursor_size{.width = Cursor::side, .height = Cursor::side};
constexpr std::size_t alpha = 3; ///< the byte of a pixel

/// One colour of a premultiplied pixel over another pixel's. One that is not
/// premultiplied saturates.
std::byte over(std::byte colour, std::byte opacity, std::byte below) {
    const auto rest = 255U - std::to_integer<unsigned>(opacity);
    const auto sum =
        std::to_integer<unsigned>(colour) + (std::to_integer<unsigned>(below) * rest + 127U) / 255U;
    return static_cast<std::byte>(std::min(sum, 255U));
}

} // namespace

Outcome<Cursor> read_cursor(const std::shared_ptr<Resource>& resource) {
    // virtio 1.2, 5.7.6.10: 64 x 64 pixels. A blob has no size nor format of its own.
    const auto framebuffer = resource->image().value_or(Framebuffer{
        .format = Format::b8g8r8a8_unorm,
        .size = cursor_size,
        .stride = Cursor::side * static_cast<std::uint32_t>(bytes_per_pixel),
        .offset = 0,
    });
    if (framebuffer.size != cursor_size || framebuffer.end() > resource->size()) {
        return refuse(Response::err_invalid_parameter, "a cursor has 64 x 64 pixels");
    }
    if (!resource->is_readable()) {
        return refuse(Response::err_unspec, "the resource has no backing");
    }
    Cursor cursor;
    const View view(resource, framebuffer, Rect::of(cursor_size));
    view.paint(Rect::of(cursor_size),
               {.data = cursor.pixels.data(), .stride = bytes_per_pixel * Cursor::side, .size = cursor_size});
    if (!has_alpha(framebuffer.format)) {
        for (std::size_t i = alpha; i < cursor.pixels.size(); i += bytes_per_pixel) {
            cursor.pixels.at(i) = std::byte{0xff};
        }
    }
    return cursor;
}

void draw_cursor(const Cursor& cursor, CursorPosition position, const Canvas& over_picture) {
    for (std::uint32_t row = 0; row < Cursor::side; ++row) {
        for (std::uint32_t column = 0; column < Cursor::side; ++column) {
            const auto x = std::int64_t{position.x} + column;
            const auto y = std::int64_t{position.y} + row;
            if (x < 0 || y < 0 || x >= over_picture.size.width || y >= over_picture.size.height) {
                continue;
            }
            const auto* const pixel = cursor.pixels.data() + bytes_per_pixel * (Cursor::side * row + column);
            auto* const below = over_picture.at(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y));
            for (std::size_t colour = 0; colour < alpha; ++colour) {
                below[colour] = over(pixel[colour], pixel[alpha], below[colour]);
            }
        }
    }
}

} // namespace hvisor::devices::gpu
