// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/mapping.hpp"
#include "devices/gpu/backing.hpp"
#include "devices/gpu/canvas.hpp"
#include "devices/gpu/config.hpp"
#include "devices/gpu/drawn.hpp"
#include "devices/gpu/ids.hpp"
#include "devices/gpu/memory_budget.hpp"
#include "devices/gpu/outcome.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace hvisor::devices::gpu {

/// How pixels lie in a resource's bytes.
struct Framebuffer {
    Format format = Format::b8g8r8x8_unorm;
    Size size{};
    std::uint32_t stride = 0;
    std::uint64_t offset = 0;

    [[nodiscard]] bool operator==(const Framebuffer&) const = default;
    /// Bytes up to the end of the last pixel; sizes are at most max_side.
    [[nodiscard]] std::uint64_t end() const {
        return offset + std::uint64_t{stride} * (size.height - 1) + bytes_per_pixel * size.width;
    }
};

/// Sides from 1 to max_side.
[[nodiscard]] bool is_possible(Size size);

using Uuid = std::array<std::uint8_t, 16>;

/// A rectangle of a command; nothing when it leaves a picture of that size.
[[nodiscard]] std::optional<Rect> rect_inside(const GuestRect& rect, Size size);

/// What a driver calls a resource (virtio 1.2, 5.7.6.1): either an image of two
/// dimensions, whose pixels the daemon keeps and the driver brings up to date
/// by transfers, or a blob, which is guest memory and nothing else, or one that the
/// renderer keeps, which is an image, too, when a screen can show it.
class Resource {
  public:
    [[nodiscard]] static Outcome<std::shared_ptr<Resource>> make_image(ResourceId id, Format format,
                                                                       Size size, MemoryBudget& budget);
    /// `backing` has `size` bytes at least.
    [[nodiscard]] static std::shared_ptr<Resource> make_blob(ResourceId id, std::uint64_t size,
                                                             Backing backing, MemoryBudget& budget);
    [[nodiscard]] static Outcome<std::shared_ptr<Resource>>
    make_drawn(ResourceId id, const render::Shape& shape, MemoryBudget& budget);

    [[nodiscard]] ResourceId id() const { return id_; }
    [[nodiscard]] bool is_blob() const { return !image_ && !drawn_; }
    /// Of what the renderer keeps, the daemon's part.
    [[nodiscard]] std::optional<Drawn>& drawn() { return drawn_; }
    [[nodiscard]] bool is_drawn() const { return drawn_.has_value(); }
    /// Of an image, which is all of it.
    [[nodiscard]] const std::optional<Framebuffer>& image() const { return image_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] bool has_backing() const { return backing_.has_value(); }

    [[nodiscard]] Outcome<void> attach(Backing backing);
    [[nodiscard]] Outcome<void> detach();

    /// Bring a part of an image up to date: rows lie as far apart in the backing
    /// as in the image, the first one at `offset`. How many bytes were copied.
    [[nodiscard]] Outcome<std::uint64_t> transfer(const Rect& part, std::uint64_t offset);

    /// Bring up to date as many rows of an image as its backing has; none without one.
    void fetch();

    /// What is behind it, if anything.
    [[nodiscard]] const std::optional<Backing>& backing() const { return backing_; }

    /// Whether its bytes are there: a blob's go with its backing, and those of what the
    /// renderer keeps come with its picture.
    [[nodiscard]] bool is_readable() const { return drawn_ ? drawn_->has_picture() : image_ || backing_; }
    /// The bytes of an image; nothing of a blob, whose bytes may change at any time.
    [[nodiscard]] std::span<const std::byte> pixels() const {
        return drawn_ ? drawn_->picture() : std::span<const std::byte>(pixels_.data(), pixels_.size());
    }
    /// Copy bytes that are there.
    void read(std::uint64_t offset, std::span<std::byte> to) const;

    /// The same each time; nothing when the kernel has no random numbers.
    [[nodiscard]] std::optional<Uuid> uuid();
    void set_uuid(const Uuid& uuid) { uuid_ = uuid; }

  private:
    Resource(ResourceId id, std::uint64_t size, MemoryBudget& budget)
        : id_(id), size_(size), share_(budget) {}

    ResourceId id_;
    std::uint64_t size_;
    std::optional<Framebuffer> image_;
    Mapping pixels_;
    std::optional<Drawn> drawn_;
    std::optional<Backing> backing_;
    std::optional<Uuid> uuid_;
    MemoryBudget::Share share_;
};

} // namespace hvisor::devices::gpu
