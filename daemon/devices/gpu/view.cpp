// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/view.hpp"

#include "devices/gpu/formats.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hvisor::devices::gpu {

Rect View::find(const GuestRect& rect) const {
    // A rectangle may go beyond what there is, and its end beyond 2^32.
    const auto end = [](std::uint32_t begin, std::uint32_t length, std::uint32_t most) {
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{begin} + length, most));
    };
    const auto x = std::min(rect.x, framebuffer_.size.width);
    const auto y = std::min(rect.y, framebuffer_.size.height);
    const Rect clipped{.x = x,
                       .y = y,
                       .width = end(x, rect.width, framebuffer_.size.width) - x,
                       .height = end(y, rect.height, framebuffer_.size.height) - y};
    auto found = clipped.intersect(part_);
    if (!found.empty()) {
        found.x -= part_.x;
        found.y -= part_.y;
    }
    return found;
}

void View::paint(const Rect& part, const Canvas& to) const {
    if (part.empty() || !resource_->is_readable()) {
        return;
    }
    const std::uint64_t stride = framebuffer_.stride;
    const auto begin = framebuffer_.offset + stride * (part_.y + part.y) +
                       bytes_per_pixel * (std::uint64_t{part_.x} + part.x);
    const auto row = bytes_per_pixel * part.width;
    auto* const at = to.at(part.x, part.y);
    if (is_canvas_format(framebuffer_.format)) {
        if (row == stride && row == to.stride) {
            resource_->read(begin, {at, row * part.height});
            return;
        }
        for (std::uint32_t y = 0; y < part.height; ++y) {
            resource_->read(begin + stride * y, {at + to.stride * y, row});
        }
        return;
    }
    std::vector<std::byte> copy;
    const auto pixels = resource_->pixels();
    for (std::uint32_t y = 0; y < part.height; ++y) {
        auto from = pixels;
        if (resource_->is_blob()) {
            copy.resize(row);
            resource_->read(begin + stride * y, copy);
            from = copy;
        } else {
            from = pixels.subspan(begin + stride * y, row);
        }
        to_canvas(framebuffer_.format, from, at + to.stride * y);
    }
}

} // namespace hvisor::devices::gpu
