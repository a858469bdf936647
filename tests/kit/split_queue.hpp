// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/ram.hpp"
#include "virtio/features.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

namespace hvisor::kit {

/// What a driver of split queues takes of what every device offers.
inline constexpr virtio::FeatureSet split_features{virtio::FeatureBit::version_1,
                                                   virtio::FeatureBit::ring_indirect_desc,
                                                   virtio::FeatureBit::ring_event_idx};

inline constexpr std::uint16_t desc_next = 1;
inline constexpr std::uint16_t desc_write = 2;
inline constexpr std::uint16_t desc_indirect = 4;

struct Descriptor {
    std::uint64_t address = 0;
    std::uint32_t length = 0;
    std::uint16_t flags = 0;
    std::uint16_t next = 0;
};
static_assert(sizeof(Descriptor) == 16);

/// The driver's side of a split virtqueue (virtio 1.2, 2.7). It does what a
/// good driver does, and lets a test write anything a bad one could.
class SplitQueue {
  public:
    struct Used {
        std::uint16_t head;
        std::uint32_t length;
    };

    SplitQueue(Ram& ram, std::uint16_t size, bool event_idx = false)
        : ram_(&ram),
          size_(size),
          event_idx_(event_idx),
          descriptors_(ram.allocate(std::size_t{16} * size, 16)),
          avail_(ram.allocate(6U + std::size_t{2} * size, 2)),
          used_(ram.allocate(6U + std::size_t{8} * size, 4)) {
        for (std::uint16_t i = size; i > 0; --i) {
            free_.push_back(static_cast<std::uint16_t>(i - 1));
        }
    }

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] std::uint64_t descriptors() const { return descriptors_; }
    [[nodiscard]] std::uint64_t avail() const { return avail_; }
    [[nodiscard]] std::uint64_t used() const { return used_; }
    [[nodiscard]] Ram& ram() { return *ram_; }

    /// Forget everything, as after a device reset.
    void reset() { *this = SplitQueue(*ram_, size_, event_idx_); }

    // A good driver.

    /// Put a chain into the table and make it available; returns its head.
    std::uint16_t add(std::span<const Descriptor> chain) {
        if (chain.size() > free_.size()) {
            throw std::length_error("the queue is full");
        }
        std::vector<std::uint16_t> indices;
        for (std::size_t i = 0; i < chain.size(); ++i) {
            indices.push_back(free_.back());
            free_.pop_back();
        }
        for (std::size_t i = 0; i < chain.size(); ++i) {
            auto descriptor = chain[i];
            if (i + 1 < chain.size()) {
                descriptor.flags |= desc_next;
                descriptor.next = indices[i + 1];
            }
            set_descriptor(indices[i], descriptor);
        }
        const auto head = indices.front();
        chains_.push_back({head, indices});
        publish(head);
        return head;
    }

    /// The next chain that came back, its descriptors free again.
    std::optional<Used> take_used() {
        if (used_index() == next_used_) {
            return std::nullopt;
        }
        const auto entry = used_ + 4 + std::size_t{8} * (next_used_ % size_);
        const Used used{.head = static_cast<std::uint16_t>(ram_->load<std::uint32_t>(entry)),
                        .length = ram_->load<std::uint32_t>(entry + 4)};
        ++next_used_;
        if (event_idx_) {
            set_used_event(next_used_);
            std::atomic_thread_fence(std::memory_order_seq_cst);
        }
        std::erase_if(chains_, [&](const InFlight& chain) {
            if (chain.head != used.head) {
                return false;
            }
            free_.insert(free_.end(), chain.indices.begin(), chain.indices.end());
            return true;
        });
        return used;
    }

    /// Whether the device wants to be notified of what was made available
    /// since this was asked last.
    [[nodiscard]] bool needs_kick() {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const auto before = kicked_;
        kicked_ = avail_index_;
        if (event_idx_) {
            const auto event = ram_->load<std::uint16_t>(used_ + 4 + std::size_t{8} * size_);
            return static_cast<std::uint16_t>(avail_index_ - event - 1) <
                   static_cast<std::uint16_t>(avail_index_ - before);
        }
        return (ram_->load<std::uint16_t>(used_) & 1) == 0;
    }

    [[nodiscard]] std::uint16_t used_index() const { return ram_->load<std::uint16_t>(used_ + 2); }
    [[nodiscard]] std::size_t free_descriptors() const { return free_.size(); }

    // Anything else.

    void set_descriptor(std::uint16_t index, const Descriptor& descriptor) {
        ram_->write(descriptors_ + std::size_t{16} * index, std::as_bytes(std::span(&descriptor, 1)));
    }
    void publish(std::uint16_t head) {
        ram_->store<std::uint16_t>(avail_ + 4 + std::size_t{2} * (avail_index_ % size_), head);
        set_avail_index(static_cast<std::uint16_t>(avail_index_ + 1));
    }
    void set_avail_index(std::uint16_t index) {
        avail_index_ = index;
        ram_->store<std::uint16_t>(avail_ + 2, index);
    }
    void set_avail_flags(std::uint16_t flags) { ram_->store<std::uint16_t>(avail_, flags); }
    void set_used_event(std::uint16_t index) {
        ram_->store<std::uint16_t>(avail_ + 4 + std::size_t{2} * size_, index);
    }
    [[nodiscard]] std::uint16_t used_flags() const { return ram_->load<std::uint16_t>(used_); }
    [[nodiscard]] std::uint16_t avail_event() const {
        return ram_->load<std::uint16_t>(used_ + 4 + std::size_t{8} * size_);
    }

  private:
    struct InFlight {
        std::uint16_t head;
        std::vector<std::uint16_t> indices;
    };

    Ram* ram_;
    std::uint16_t size_;
    bool event_idx_;
    std::uint64_t descriptors_;
    std::uint64_t avail_;
    std::uint64_t used_;
    std::vector<std::uint16_t> free_;
    std::vector<InFlight> chains_;
    std::uint16_t avail_index_ = 0;
    std::uint16_t next_used_ = 0;
    std::uint16_t kicked_ = 0;
};

/// Builds a chain piece by piece:
///
///     auto chain = ChainBuilder(queue).readable(header).writable(512).writable(1);
///     auto head = chain.add();
///     … chain.written(0) …
class ChainBuilder {
  public:
    explicit ChainBuilder(SplitQueue& queue) : queue_(queue) {}

    ChainBuilder& readable(std::span<const std::byte> bytes) {
        return at(queue_.ram().store_bytes(bytes), static_cast<std::uint32_t>(bytes.size()), 0);
    }
    template <class T>
    ChainBuilder& readable_value(const T& value) {
        return readable(std::as_bytes(std::span(&value, 1)));
    }
    ChainBuilder& readable(std::string_view text) { return readable(std::as_bytes(std::span(text))); }
    /// Filled with 0xee, which no device writes by accident.
    ChainBuilder& writable(std::uint32_t length) {
        const auto address = queue_.ram().allocate(length);
        queue_.ram().write(address, std::vector(length, std::byte{0xee}));
        writable_.emplace_back(address, length);
        return at(address, length, desc_write);
    }
    /// A descriptor with any address.
    ChainBuilder& at(std::uint64_t address, std::uint32_t length, std::uint16_t flags) {
        chain_.push_back({.address = address, .length = length, .flags = flags, .next = 0});
        return *this;
    }
    /// Put what there is so far into an indirect table.
    ChainBuilder& indirect() {
        for (std::size_t i = 0; i + 1 < chain_.size(); ++i) {
            chain_[i].flags |= desc_next;
            chain_[i].next = static_cast<std::uint16_t>(i + 1);
        }
        const auto bytes = std::as_bytes(std::span(chain_));
        const auto table = queue_.ram().store_bytes(bytes);
        chain_.clear();
        return at(table, static_cast<std::uint32_t>(bytes.size()), desc_indirect);
    }

    std::uint16_t add() { return queue_.add(chain_); }

    /// What is in the nth writable buffer now.
    [[nodiscard]] std::vector<std::byte> written(std::size_t n) const {
        return queue_.ram().read(writable_.at(n).first, writable_.at(n).second);
    }

  private:
    SplitQueue& queue_;
    std::vector<Descriptor> chain_;
    std::vector<std::pair<std::uint64_t, std::uint32_t>> writable_;
};

} // namespace hvisor::kit
