// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"

#include <atomic>
#include <cstdint>

namespace hvisor::virtio {

/// Where a queue stands: plain data that survives the process, and that other
/// threads may look at. In a split ring the numbers run freely, modulo 2^16;
/// in a packed one bit 15 is the wrap counter (virtio 1.2, 2.8.1).
struct QueueIndices {
    Watched<std::uint16_t> next_avail; ///< the entry to take next
    Watched<std::uint16_t> next_used;  ///< the entry to fill next
    Watched<std::uint16_t> signalled;  ///< next_used when the driver was last told

    void set_all(std::uint16_t value) {
        next_avail.set(value);
        next_used.set(value);
        signalled.set(value);
    }
};

/// No queue of any device here has more entries.
inline constexpr std::uint16_t longest_queue = 256;

/// What is kept of a chain that is out, so that whoever goes on where this
/// process stopped can take it once more: plain data. In a split ring the one
/// with the number of the head, because the descriptors stay where they are; in a
/// packed one a copy of each descriptor, because the ring's entry may be
/// overwritten by what is used before (virtio 1.2, 2.8.9).
struct HeldDescriptor {
    std::uint64_t order = 0;   ///< of the chain among all that were taken, from 1; 0: nothing is held here
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
};

/// Orders a store before a later load, which nothing weaker does. On both
/// sides of every suppression flag, or notifications and interrupts get lost.
inline void full_fence() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

} // namespace hvisor::virtio
