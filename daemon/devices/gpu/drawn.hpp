// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/backing.hpp"
#include "devices/gpu/memory_budget.hpp"
#include "devices/gpu/memory_file.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/texture.hpp"
#include "render/messages.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace hvisor::devices::gpu {

/// The daemon's part of a resource that lies in the renderer: files that the renderer
/// works on in place of guest memory and of a screen, and what all of it costs.
class Drawn {
  public:
    /// A refusal when there can be no such resource, or when it is too large.
    [[nodiscard]] static Outcome<Drawn> make(const render::Shape& shape, MemoryBudget& budget);

    [[nodiscard]] const render::Shape& shape() const { return shape_; }

    /// A file in place of a backing of that size, empty, for the renderer.
    [[nodiscard]] Outcome<UniqueFd> make_shadow(std::uint64_t size);
    void drop_shadow();
    /// Copy pieces that are in both. Without a shadow nothing happens.
    void upload(const Backing& from, const Pieces& pieces);
    void download(const Backing& to, const Pieces& pieces) const;

    /// A file for the pixels that a screen shows, for the renderer.
    [[nodiscard]] Outcome<UniqueFd> make_picture(std::uint64_t size);
    [[nodiscard]] bool has_picture() const { return static_cast<bool>(picture_); }
    [[nodiscard]] std::span<const std::byte> picture() const { return {picture_.data(), picture_.size()}; }

  private:
    Drawn(const render::Shape& shape, std::uint64_t size, MemoryBudget& budget)
        : shape_(shape), size_(size), share_(budget) {}

    [[nodiscard]] Outcome<MemoryFile> make_file(const char* name, std::uint64_t size);
    [[nodiscard]] bool account() { return share_.resize(size_ + shadow_.size() + picture_.size()); }

    render::Shape shape_;
    std::uint64_t size_; ///< in the renderer
    Mapping shadow_;     ///< of the files, which only the renderer keeps open, if at all
    Mapping picture_;
    MemoryBudget::Share share_;
};

} // namespace hvisor::devices::gpu
