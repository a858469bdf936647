// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/resource.hpp"

#include "base/checked.hpp"
#include "devices/gpu/formats.hpp"

#include <algorithm>
#include <cstring>
#include <sys/random.h>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

/// The least that a mapping takes.
constexpr std::uint64_t page = 4096;

constexpr std::uint64_t whole_pages(std::uint64_t bytes) {
    return (bytes + page - 1) / page * page;
}

/// A screen can show it: of Gallium's targets a texture of two dimensions, or a rectangle.
constexpr bool is_flat(const render::Shape& shape) {
    return (shape.target == 2 || shape.target == 5) && shape.samples <= 1 && shape.depth == 1;
}

} // namespace

bool is_possible(Size size) {
    return !size.empty() && size.width <= max_side && size.height <= max_side;
}

std::optional<Rect> rect_inside(const GuestRect& rect, Size size) {
    const Rect part{.x = rect.x, .y = rect.y, .width = rect.width, .height = rect.height};
    return part.fits(size) ? std::optional(part) : std::nullopt;
}

Outcome<std::shared_ptr<Resource>> Resource::make_image(ResourceId id, Format format, Size size,
                                                        MemoryBudget& budget) {
    if (!is_possible(size)) {
        return refuse(Response::err_invalid_parameter, "a picture has 1 to 16384 pixels a side");
    }
    // Both are at most max_side: 2^30 bytes.
    const auto bytes = std::uint64_t{size.width} * size.height * bytes_per_pixel;
    std::shared_ptr<Resource> made(new Resource(id, bytes, budget));
    if (!made->share_.resize(whole_pages(bytes))) {
        return refuse(Response::err_out_of_memory, "it is larger than what is left of the device's memory");
    }
    auto pixels = Mapping::anonymous(bytes);
    if (!pixels) {
        return refuse(Response::err_out_of_memory, "the root zone has no memory for it");
    }
    made->pixels_ = std::move(*pixels);
    made->image_ = Framebuffer{.format = format,
                               .size = size,
                               .stride = static_cast<std::uint32_t>(bytes_per_pixel) * size.width,
                               .offset = 0};
    return made;
}

std::shared_ptr<Resource> Resource::make_blob(ResourceId id, std::uint64_t size, Backing backing,
                                              MemoryBudget& budget) {
    std::shared_ptr<Resource> made(new Resource(id, size, budget));
    made->backing_ = std::move(backing);
    return made;
}

Outcome<std::shared_ptr<Resource>> Resource::make_drawn(ResourceId id, const render::Shape& shape,
                                                        MemoryBudget& budget) {
    auto drawn = Drawn::make(shape, budget);
    if (!drawn) {
        return std::unexpected(drawn.error());
    }
    std::shared_ptr<Resource> made(new Resource(id, 0, budget));
    made->drawn_ = std::move(*drawn);
    const Size size{.width = shape.width, .height = shape.height};
    const auto format = format_from_guest(shape.format);
    if (format && is_possible(size) && is_flat(shape)) {
        made->image_ = Framebuffer{.format = *format,
                                   .size = size,
                                   .stride = static_cast<std::uint32_t>(bytes_per_pixel) * size.width,
                                   .offset = 0};
        made->size_ = made->image_->end();
    }
    return made;
}

Outcome<void> Resource::attach(Backing backing) {
    if (is_blob() && backing.size() < size_) {
        return refuse(Response::err_invalid_parameter, "its entries are shorter than the blob");
    }
    backing_ = std::move(backing);
    return {};
}

Outcome<void> Resource::detach() {
    if (!backing_) {
        return refuse(Response::err_unspec, "the resource has no backing");
    }
    backing_.reset();
    if (drawn_) {
        drawn_->drop_shadow();
    }
    return {};
}

Outcome<std::uint64_t> Resource::transfer(const Rect& part, std::uint64_t offset) {
    if (!backing_) {
        return refuse(Response::err_unspec, "the resource has no backing");
    }
    if (part.empty()) {
        return 0;
    }
    const std::uint64_t stride = image_->stride;
    const auto row = bytes_per_pixel * part.width;
    const auto length = stride * (part.height - 1) + row;
    if (!range_inside(offset, length, 0, backing_->size())) {
        return refuse(Response::err_invalid_parameter, "it is not within the backing");
    }
    auto* to = pixels_.data() + stride * part.y + bytes_per_pixel * part.x;
    if (row == stride) {
        backing_->read(offset, {to, length});
        return length;
    }
    for (std::uint32_t y = 0; y < part.height; ++y) {
        backing_->read(offset + stride * y, {to + stride * y, row});
    }
    return std::uint64_t{row} * part.height;
}

void Resource::fetch() {
    if (!image_ || !backing_) {
        return;
    }
    const auto rows = std::min<std::uint64_t>(image_->size.height, backing_->size() / image_->stride);
    const Rect part{.x = 0, .y = 0, .width = image_->size.width, .height = static_cast<std::uint32_t>(rows)};
    [[maybe_unused]] const auto copied = transfer(part, 0);
}

void Resource::read(std::uint64_t offset, std::span<std::byte> to) const {
    if (image_) {
        const auto from = pixels();
        if (range_inside(offset, to.size(), 0, from.size())) {
            std::memcpy(to.data(), from.data() + offset, to.size());
        }
    } else if (backing_) {
        backing_->read(offset, to);
    }
}

std::optional<Uuid> Resource::uuid() {
    if (!uuid_) {
        Uuid fresh{};
        if (::getrandom(fresh.data(), fresh.size(), GRND_NONBLOCK) != std::ssize(fresh)) {
            return std::nullopt;
        }
        // RFC 9562: version 4, made of random numbers.
        fresh[6] = static_cast<std::uint8_t>((fresh[6] & 0x0fU) | 0x40U);
        fresh[8] = static_cast<std::uint8_t>((fresh[8] & 0x3fU) | 0x80U);
        uuid_ = fresh;
    }
    return uuid_;
}

} // namespace hvisor::devices::gpu
