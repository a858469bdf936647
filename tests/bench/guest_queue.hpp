// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hvisor::bench {

/// A split virtqueue as Linux's driver works it, with EVENT_IDX and indirect
/// tables: nothing is allocated or searched, unlike in kit::SplitQueue, and the
/// same cache lines move. A request is a slot, whose number is its head.
class GuestQueue {
  public:
    struct Piece {
        std::uint64_t address = 0;
        std::uint32_t length = 0;
        bool writable = false;
    };
    struct Used {
        std::uint16_t slot = 0;
        std::uint32_t length = 0;
    };
    static constexpr std::size_t max_pieces = 4;

    GuestQueue(kit::Ram& ram, std::uint16_t size)
        : size_(size),
          descriptors_(ram.allocate(std::size_t{16} * size, 16)),
          avail_(ram.allocate(6U + std::size_t{2} * size, 64)),
          used_(ram.allocate(6U + std::size_t{8} * size, 64)),
          tables_(ram.allocate(std::size_t{16} * max_pieces * size, 64)),
          table_(at<kit::Descriptor>(ram, descriptors_)),
          indirect_(at<kit::Descriptor>(ram, tables_)),
          avail_ring_(at<std::uint16_t>(ram, avail_)),
          used_index_(at<std::uint16_t>(ram, used_ + 2)),
          used_ring_(at<std::uint32_t>(ram, used_ + 4)),
          avail_event_(at<std::uint16_t>(ram, used_ + 4 + std::size_t{8} * size)) {}

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] std::uint64_t descriptors() const { return descriptors_; }
    [[nodiscard]] std::uint64_t avail() const { return avail_; }
    [[nodiscard]] std::uint64_t used() const { return used_; }

    /// Make a request available: one piece as a descriptor, more through the
    /// slot's indirect table.
    void add(std::uint16_t slot, std::span<const Piece> pieces) {
        auto& descriptor = table_[slot];
        if (pieces.size() == 1) {
            descriptor = to_descriptor(pieces.front());
        } else {
            auto* table = indirect_ + std::size_t{max_pieces} * slot;
            for (std::size_t i = 0; i < pieces.size(); ++i) {
                table[i] = to_descriptor(pieces[i]);
                if (i + 1 < pieces.size()) {
                    table[i].flags |= kit::desc_next;
                    table[i].next = static_cast<std::uint16_t>(i + 1);
                }
            }
            descriptor = {.address = tables_ + std::size_t{16} * max_pieces * slot,
                          .length = static_cast<std::uint32_t>(16 * pieces.size()),
                          .flags = kit::desc_indirect,
                          .next = 0};
        }
        avail_ring_[2 + next_avail_ % size_] = slot;
        ++next_avail_;
        store_release(avail_ring_[1], next_avail_);
    }

    /// Whether the device wants to hear of what was added since this was asked last.
    [[nodiscard]] bool should_kick() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const auto before = kicked_;
        kicked_ = next_avail_;
        return static_cast<std::uint16_t>(next_avail_ - load_relaxed(*avail_event_) - 1) <
               static_cast<std::uint16_t>(next_avail_ - before);
    }

    std::optional<Used> take() {
        if (load_acquire(*used_index_) == next_used_) {
            return std::nullopt;
        }
        const auto* entry = used_ring_ + std::size_t{2} * (next_used_ % size_);
        ++next_used_;
        return Used{.slot = static_cast<std::uint16_t>(load_relaxed(entry[0])),
                    .length = load_relaxed(entry[1])};
    }

    /// Ask for an interrupt with the next used buffer; false when there is one already.
    [[nodiscard]] bool enable_interrupts() {
        store_release(avail_ring_[2 + size_], next_used_);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        return load_acquire(*used_index_) == next_used_;
    }

  private:
    template <class T>
    static T* at(const kit::Ram& ram, std::uint64_t address) {
        return reinterpret_cast<T*>(ram.at(address));
    }
    static kit::Descriptor to_descriptor(const Piece& piece) {
        return {.address = piece.address,
                .length = piece.length,
                .flags = piece.writable ? kit::desc_write : std::uint16_t{0},
                .next = 0};
    }

    std::uint16_t size_;
    std::uint64_t descriptors_;
    std::uint64_t avail_;
    std::uint64_t used_;
    std::uint64_t tables_;
    kit::Descriptor* table_;
    kit::Descriptor* indirect_;
    std::uint16_t* avail_ring_; ///< flags, index, entries, used_event
    std::uint16_t* used_index_;
    std::uint32_t* used_ring_;
    std::uint16_t* avail_event_;
    std::uint16_t next_avail_ = 0;
    std::uint16_t next_used_ = 0;
    std::uint16_t kicked_ = 0;
};

} // namespace hvisor::bench
