// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace hvisor::virtio {

/// Where a queue stands: plain data that survives the process, which may be killed
/// between any two stores, and that other threads may look at.
///
/// A position in a split ring runs freely, modulo 2^16; in a packed one bit 15 is
/// the wrap counter (virtio 1.2, 2.8.1). Each step of the queue is one store, of the
/// new position together with the chain that it is about.
class QueueIndices {
  public:
    /// The entry to take next.
    [[nodiscard]] std::uint16_t next_avail() const { return static_cast<std::uint16_t>(taken_.get()); }
    /// Chains that were taken: the order of the latest (HeldDescriptor). There are
    /// 48 bits for it, which last for years.
    [[nodiscard]] std::uint64_t taken() const { return taken_.get() >> position_bits; }
    /// The entry to fill next.
    [[nodiscard]] std::uint16_t next_used() const { return static_cast<std::uint16_t>(settled_.get()); }
    /// The order of the chain that went back last; 0: none has.
    [[nodiscard]] std::uint64_t settled() const { return settled_.get() >> position_bits; }

    /// At the beginning of a ring. Orders are counted on: none comes twice.
    void begin(std::uint16_t position) {
        taken_.set(packed(taken(), position));
        settled_.set(packed(settled(), position));
        signalled_.set(position);
        withheld_.set(0);
    }
    void take(std::uint16_t next_avail) { taken_.commit(packed(taken() + 1, next_avail)); }
    void undo_take(std::uint16_t next_avail) { taken_.commit(packed(taken() - 1, next_avail)); }
    void settle(std::uint64_t order, std::uint16_t next_used) { settled_.commit(packed(order, next_used)); }
    /// Somebody else has had the queue, and left it there.
    void set_next_avail(std::uint16_t next_avail) { taken_.set(packed(taken(), next_avail)); }

    /// next_used() when the driver was last told.
    [[nodiscard]] std::uint16_t signalled() const { return signalled_.get(); }
    void set_signalled(std::uint16_t next_used) { signalled_.set(next_used); }

    /// Packed rings only: the first used entry that was not published, whose flags
    /// are written last and show the driver all behind it.
    struct Withheld {
        std::uint16_t position = 0;
        std::uint16_t flags = 0;
    };
    [[nodiscard]] std::optional<Withheld> withheld() const {
        const auto value = withheld_.get();
        return value == 0
                   ? std::nullopt
                   : std::optional(Withheld{.position = static_cast<std::uint16_t>(value >> position_bits),
                                            .flags = static_cast<std::uint16_t>(value)});
    }
    void withhold(Withheld entry) {
        withheld_.set(is_withheld | std::uint64_t{entry.position} << position_bits | entry.flags);
    }
    void end_withholding() { withheld_.commit(0); }

  private:
    static constexpr unsigned position_bits = 16;
    static constexpr std::uint64_t is_withheld = std::uint64_t{1} << (2 * position_bits);

    [[nodiscard]] static constexpr std::uint64_t packed(std::uint64_t order, std::uint16_t position) {
        return order << position_bits | position;
    }

    Watched<std::uint64_t> taken_;   ///< taken() and next_avail()
    Watched<std::uint64_t> settled_; ///< settled() and next_used()
    Watched<std::uint64_t> withheld_;
    Watched<std::uint16_t> signalled_;
};

/// No queue of any device here has more entries.
inline constexpr std::uint16_t longest_queue = 256;

/// What is kept of a chain that is out, so that whoever goes on where this
/// process stopped can take it once more: plain data. In a split ring the one
/// with the number of the head, because the descriptors stay where they are; in a
/// packed one a copy of each descriptor, because the ring's entry may be
/// overwritten by what is used before (virtio 1.2, 2.8.9).
struct HeldDescriptor {
    /// Of the chain among all that were taken, from 1; 0: nothing is held here. One that QueueIndices does
    /// not know of as taken never was, and one that it knows of as settled went back.
    std::uint64_t order = 0;
    std::uint64_t address = 0; ///< this and the rest: packed rings only
    std::uint32_t length = 0;
    std::uint16_t flags = 0;
    std::uint16_t id = 0;    ///< of the chain
    std::uint16_t slots = 0; ///< of the chain, in its first descriptor; else 0
    std::uint16_t next = 0;  ///< where the chain's next descriptor is held
};

/// What a ring needs to know of a chain to give it back.
struct RingElement {
    std::uint16_t id = 0;    ///< split: the head; packed: the buffer id
    std::uint16_t slots = 1; ///< entries that it takes in the ring
    std::uint16_t held = 0;  ///< the number of its first HeldDescriptor
    std::uint64_t order = 0; ///< of the chain, see HeldDescriptor
};

/// Orders a store before a later load, which nothing weaker does. On both
/// sides of every suppression flag, or notifications and interrupts get lost.
inline void full_fence() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

} // namespace hvisor::virtio
