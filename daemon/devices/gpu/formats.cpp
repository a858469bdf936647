// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/formats.hpp"

#include "devices/gpu/canvas.hpp"

#include <bit>
#include <cstring>

namespace hvisor::devices::gpu {
namespace {

/// `change` takes a pixel as the number that its bytes are on a little-endian
/// machine. The compiler makes vectors of this loop.
template <class Change>
void each_pixel(std::span<const std::byte> from, std::byte* to, Change change) {
    for (std::size_t i = 0; i + bytes_per_pixel <= from.size(); i += bytes_per_pixel) {
        std::uint32_t pixel = 0;
        std::memcpy(&pixel, from.data() + i, bytes_per_pixel);
        pixel = change(pixel);
        std::memcpy(to + i, &pixel, bytes_per_pixel);
    }
}

} // namespace

std::optional<Format> format_from_guest(std::uint32_t value) {
    const auto format = static_cast<Format>(value);
    switch (format) {
    case Format::b8g8r8a8_unorm:
    case Format::b8g8r8x8_unorm:
    case Format::a8r8g8b8_unorm:
    case Format::x8r8g8b8_unorm:
    case Format::r8g8b8a8_unorm:
    case Format::x8b8g8r8_unorm:
    case Format::a8b8g8r8_unorm:
    case Format::r8g8b8x8_unorm:
        return format;
    }
    return std::nullopt;
}

bool is_canvas_format(Format format) {
    return format == Format::b8g8r8a8_unorm || format == Format::b8g8r8x8_unorm;
}

bool has_alpha(Format format) {
    return format == Format::b8g8r8a8_unorm || format == Format::a8r8g8b8_unorm ||
           format == Format::r8g8b8a8_unorm || format == Format::a8b8g8r8_unorm;
}

void to_canvas(Format format, std::span<const std::byte> from, std::byte* to) {
    switch (format) {
    case Format::b8g8r8a8_unorm:
    case Format::b8g8r8x8_unorm:
        std::memcpy(to, from.data(), from.size());
        break;
    case Format::a8r8g8b8_unorm:
    case Format::x8r8g8b8_unorm:
        each_pixel(from, to, [](std::uint32_t pixel) { return std::byteswap(pixel); });
        break;
    case Format::r8g8b8a8_unorm:
    case Format::r8g8b8x8_unorm:
        each_pixel(from, to, [](std::uint32_t pixel) {
            return (pixel & 0xff00ff00U) | (pixel >> 16 & 0xffU) | (pixel & 0xffU) << 16;
        });
        break;
    case Format::a8b8g8r8_unorm:
    case Format::x8b8g8r8_unorm:
        each_pixel(from, to, [](std::uint32_t pixel) { return std::rotr(pixel, 8); });
        break;
    }
}

} // namespace hvisor::devices::gpu
