// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/driver_queue.hpp"
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

/// The driver's side of a split virtqueue (virtio 1.2, 2.7). It does what a
/// good driver does, and lets a test write anything a bad one could.
class SplitQueue final : public DriverQueue {
  public:
    SplitQueue(Ram& ram, std::uint16_t size, bool event_idx = false)
        : DriverQueue(ram, size, event_idx, 6U + std::size_t{2} * size, 6U + std::size_t{8} * size) {
        for (std::uint16_t i = size; i > 0; --i) {
            free_.push_back(static_cast<std::uint16_t>(i - 1));
        }
    }

    [[nodiscard]] std::uint64_t avail() const { return driver_area(); }
    [[nodiscard]] std::uint64_t used() const { return device_area(); }

    void reset() override { *this = SplitQueue(ram(), size(), event_idx()); }

    std::uint16_t add(std::span<const Descriptor> chain) override {
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

    std::optional<Used> take_used() override {
        if (!has_used()) {
            return std::nullopt;
        }
        const auto entry = used() + 4 + std::size_t{8} * (next_used_ % size());
        const Used result{.head = static_cast<std::uint16_t>(memory().load<std::uint32_t>(entry)),
                          .length = memory().load<std::uint32_t>(entry + 4)};
        ++next_used_;
        if (event_idx()) {
            set_used_event(next_used_);
            std::atomic_thread_fence(std::memory_order_seq_cst);
        }
        std::erase_if(chains_, [&](const InFlight& chain) {
            if (chain.head != result.head) {
                return false;
            }
            free_.insert(free_.end(), chain.indices.begin(), chain.indices.end());
            return true;
        });
        return result;
    }

    [[nodiscard]] bool has_used() const override { return used_index() != next_used_; }

    [[nodiscard]] bool needs_kick() override {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const auto before = kicked_;
        kicked_ = avail_index_;
        if (event_idx()) {
            return static_cast<std::uint16_t>(avail_index_ - avail_event() - 1) <
                   static_cast<std::uint16_t>(avail_index_ - before);
        }
        return (used_flags() & 1) == 0;
    }

    [[nodiscard]] std::size_t free_descriptors() const override { return free_.size(); }

    void want_interrupts(bool wanted) override {
        if (event_idx()) {
            // As Linux parks it: half the numbers away.
            want_interrupt_at(wanted ? 0 : 0x8000);
        } else {
            set_avail_flags(wanted ? 0 : 1);
        }
    }
    void want_interrupt_at(std::uint16_t ahead) override {
        set_used_event(static_cast<std::uint16_t>(next_used_ + ahead));
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }

    void write_table(std::uint64_t address, std::span<const Descriptor> table) override {
        std::vector<Descriptor> linked(table.begin(), table.end());
        for (std::size_t i = 0; i + 1 < linked.size(); ++i) {
            linked[i].flags |= desc_next;
            linked[i].next = static_cast<std::uint16_t>(i + 1);
        }
        ram().write(address, std::as_bytes(std::span(linked)));
    }

    // Anything else.

    [[nodiscard]] std::uint16_t used_index() const { return memory().load<std::uint16_t>(used() + 2); }
    void set_descriptor(std::uint16_t index, const Descriptor& descriptor) {
        ram().write(descriptors() + std::size_t{16} * index, std::as_bytes(std::span(&descriptor, 1)));
    }
    void publish(std::uint16_t head) {
        ram().store<std::uint16_t>(avail() + 4 + std::size_t{2} * (avail_index_ % size()), head);
        set_avail_index(static_cast<std::uint16_t>(avail_index_ + 1));
    }
    void set_avail_index(std::uint16_t index) {
        avail_index_ = index;
        ram().store<std::uint16_t>(avail() + 2, index);
    }
    void set_avail_flags(std::uint16_t flags) { ram().store<std::uint16_t>(avail(), flags); }
    void set_used_event(std::uint16_t index) {
        ram().store<std::uint16_t>(avail() + 4 + std::size_t{2} * size(), index);
    }
    [[nodiscard]] std::uint16_t used_flags() const { return memory().load<std::uint16_t>(used()); }
    [[nodiscard]] std::uint16_t avail_event() const {
        return memory().load<std::uint16_t>(used() + 4 + std::size_t{8} * size());
    }

  private:
    struct InFlight {
        std::uint16_t head;
        std::vector<std::uint16_t> indices;
    };

    std::vector<std::uint16_t> free_;
    std::vector<InFlight> chains_;
    std::uint16_t avail_index_ = 0;
    std::uint16_t next_used_ = 0;
    std::uint16_t kicked_ = 0;
};

} // namespace hvisor::kit
