// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/memory_budget.hpp"
#include "devices/gpu/outcome.hpp"
#include "guest/guest_memory.hpp"
#include "guest/guest_span.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hvisor::devices::gpu {

/// The guest memory behind a resource: pieces that follow each other in the
/// resource wherever they lie in the guest.
class Backing {
  public:
    /// Takes `count` times MemoryEntry out of a command, each once, and judges them.
    [[nodiscard]] static Outcome<Backing> from_guest(virtio::Reader& entries, std::uint32_t count,
                                                     const guest::GuestMemory& memory, MemoryBudget& budget);

    /// Bytes of all pieces.
    [[nodiscard]] std::uint64_t size() const { return size_; }

    /// Copy the bytes from `offset` on, all of which are there.
    void read(std::uint64_t offset, std::span<std::byte> to) const;
    /// Copy into guest memory, likewise.
    void write(std::uint64_t offset, std::span<const std::byte> from) const;

  private:
    struct Piece {
        std::uint64_t begin; ///< in the resource
        guest::GuestSpan bytes;
    };

    explicit Backing(MemoryBudget& budget) : share_(budget) {}

    /// Calls `step(bytes of a piece, begin in it, begin in the range, length)` for each
    /// part of a range; not at all when all of it is not there.
    template <class Step>
    void walk(std::uint64_t offset, std::size_t length, Step step) const;

    std::vector<Piece> pieces_;
    std::uint64_t size_ = 0;
    MemoryBudget::Share share_;
};

} // namespace hvisor::devices::gpu
