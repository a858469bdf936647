// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hvisor::devices::gpu {

/// Pixels that a picture has at most in a row, or rows: all arithmetic on what
/// was checked against it fits.
inline constexpr std::uint32_t max_side = 16384;

/// What Linux's driver takes for a screen (XRES_MIN, XRES_MAX in virtgpu_display.c).
inline constexpr std::uint32_t least_display_side = 32;
inline constexpr std::uint32_t largest_display_side = 8192;

/// In pixels.
struct Size {
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    [[nodiscard]] bool empty() const { return width == 0 || height == 0; }
    [[nodiscard]] bool operator==(const Size&) const = default;
};

/// In pixels, from the upper left corner.
struct Rect {
    std::uint32_t x = 0;
    std::uint32_t y = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;

    [[nodiscard]] static Rect of(Size size) { return {.width = size.width, .height = size.height}; }
    [[nodiscard]] Size size() const { return {.width = width, .height = height}; }
    [[nodiscard]] bool empty() const { return width == 0 || height == 0; }
    [[nodiscard]] bool operator==(const Rect&) const = default;

    /// Whether all of it lies in a picture of that size.
    [[nodiscard]] bool fits(Size in) const {
        return x <= in.width && width <= in.width - x && y <= in.height && height <= in.height - y;
    }
    /// What both have; empty when that is nothing. Both fit pictures of less than 2^31 pixels a side.
    [[nodiscard]] Rect intersect(const Rect& other) const {
        const auto left = std::max(x, other.x);
        const auto top = std::max(y, other.y);
        const auto right = std::min(x + width, other.x + other.width);
        const auto bottom = std::min(y + height, other.y + other.height);
        return left < right && top < bottom
                   ? Rect{.x = left, .y = top, .width = right - left, .height = bottom - top}
                   : Rect{};
    }
    /// The smallest that holds both.
    [[nodiscard]] Rect unite(const Rect& other) const {
        if (empty()) {
            return other;
        }
        if (other.empty()) {
            return *this;
        }
        const auto left = std::min(x, other.x);
        const auto top = std::min(y, other.y);
        return {.x = left,
                .y = top,
                .width = std::max(x + width, other.x + other.width) - left,
                .height = std::max(y + height, other.y + other.height) - top};
    }
};

inline constexpr std::size_t bytes_per_pixel = 4;

/// Somewhere to draw: rows of pixels whose bytes are blue, green, red and one
/// that nobody looks at (DRM_FORMAT_XRGB8888, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM).
struct Canvas {
    std::byte* data = nullptr;
    std::size_t stride = 0; ///< bytes from a row to the next
    Size size{};

    [[nodiscard]] std::byte* at(std::uint32_t x, std::uint32_t y) const {
        return data + stride * y + bytes_per_pixel * x;
    }
};

} // namespace hvisor::devices::gpu
