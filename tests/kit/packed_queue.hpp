// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/driver_queue.hpp"
#include "kit/split_queue.hpp"
#include "virtio/features.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace hvisor::kit {

/// What a driver of packed queues takes of what every device offers.
inline constexpr auto packed_features = split_features | virtio::FeatureSet{virtio::FeatureBit::ring_packed};

inline constexpr std::uint16_t desc_avail = 1 << 7;
inline constexpr std::uint16_t desc_used = 1 << 15;

struct PackedDescriptor {
    std::uint64_t address = 0;
    std::uint32_t length = 0;
    std::uint16_t id = 0;
    std::uint16_t flags = 0;
};
static_assert(sizeof(PackedDescriptor) == 16);

/// The flags of an event suppression structure (virtio 1.2, 2.8.10).
enum class EventFlags : std::uint16_t { enable = 0, disable = 1, descriptor = 2 };

/// The driver's side of a packed virtqueue (virtio 1.2, 2.8). It does what a
/// good driver does, and lets a test write anything a bad one could.
class PackedQueue final : public DriverQueue {
  public:
    /// An entry of the ring, and the wrap counter that belongs to it.
    struct Position {
        std::uint16_t entry = 0;
        bool wrap = true;
    };

    PackedQueue(Ram& ram, std::uint16_t size, bool event_idx = false)
        : DriverQueue(ram, size, event_idx, 4, 4), free_(size), slots_(size) {
        for (std::uint16_t i = size; i > 0; --i) {
            free_ids_.push_back(static_cast<std::uint16_t>(i - 1));
        }
    }

    void reset() override { *this = PackedQueue(ram(), size(), event_idx()); }

    std::uint16_t add(std::span<const Descriptor> chain) override {
        if (chain.empty() || chain.size() > free_) {
            throw std::length_error("the queue is full");
        }
        const auto id = free_ids_.back();
        free_ids_.pop_back();
        const auto first = next_avail_;
        std::uint16_t first_flags = 0;
        for (std::size_t i = 0; i < chain.size(); ++i) {
            const bool is_last = i + 1 == chain.size();
            const auto flags = static_cast<std::uint16_t>(chain[i].flags | (is_last ? 0 : desc_next) |
                                                          available(next_avail_.wrap));
            // virtio 1.2, 2.8.6: the id of the last one counts.
            set_descriptor(next_avail_.entry, {.address = chain[i].address,
                                               .length = chain[i].length,
                                               .id = is_last ? id : static_cast<std::uint16_t>(0xdead),
                                               .flags = i == 0 ? flags_of(next_avail_.entry) : flags});
            if (i == 0) {
                first_flags = flags;
            }
            next_avail_ = advanced(next_avail_, 1);
        }
        // virtio 1.2, 2.8.8: the flags of the first one last.
        set_flags(first.entry, first_flags);
        slots_[id] = static_cast<std::uint16_t>(chain.size());
        free_ -= chain.size();
        unkicked_ = static_cast<std::uint16_t>(unkicked_ + chain.size());
        return id;
    }

    std::optional<Used> take_used() override {
        if (!has_used()) {
            return std::nullopt;
        }
        const auto entry = descriptors() + std::size_t{16} * next_used_.entry;
        const Used result{.head = memory().load<std::uint16_t>(entry + 12),
                          .length = memory().load<std::uint32_t>(entry + 8)};
        if (result.head >= size() || slots_[result.head] == 0) {
            throw std::logic_error("the device used a buffer that it did not have");
        }
        const auto slots = std::exchange(slots_[result.head], std::uint16_t{0});
        free_ids_.push_back(result.head);
        free_ += slots;
        next_used_ = advanced(next_used_, slots);
        if (event_idx()) {
            want_interrupt_at(0);
        }
        return result;
    }

    [[nodiscard]] bool has_used() const override {
        const auto flags = flags_of(next_used_.entry);
        return ((flags & desc_avail) != 0) == next_used_.wrap &&
               ((flags & desc_used) != 0) == next_used_.wrap;
    }

    [[nodiscard]] bool needs_kick() override {
        std::atomic_thread_fence(std::memory_order_seq_cst);
        const auto fresh = std::exchange(unkicked_, std::uint16_t{0});
        const auto wish = memory().load<std::uint32_t>(device_area());
        switch (static_cast<EventFlags>(wish >> 16 & 3)) {
        case EventFlags::enable:
            return true;
        case EventFlags::descriptor: {
            // virtio 1.2, 2.8.10.1, as vring_need_event() counts.
            const bool same_lap = ((wish & 0x8000) != 0) == next_avail_.wrap;
            const auto event = static_cast<int>(wish & 0x7fff) - (same_lap ? 0 : size());
            return static_cast<std::uint16_t>(next_avail_.entry - event - 1) < fresh;
        }
        default:
            return false;
        }
    }

    [[nodiscard]] std::size_t free_descriptors() const override { return free_; }

    void want_interrupts(bool wanted) override {
        set_driver_event(0, wanted ? EventFlags::enable : EventFlags::disable);
    }
    void want_interrupt_at(std::uint16_t ahead) override {
        const auto at = advanced(next_used_, ahead);
        set_driver_event(static_cast<std::uint16_t>(at.entry | (at.wrap ? 0x8000 : 0)),
                         EventFlags::descriptor);
    }

    void write_table(std::uint64_t address, std::span<const Descriptor> table) override {
        std::vector<PackedDescriptor> entries;
        for (const auto& entry : table) {
            // virtio 1.2, 2.8.7: the id is not looked at.
            entries.push_back(
                {.address = entry.address, .length = entry.length, .id = 0xdead, .flags = entry.flags});
        }
        ram().write(address, std::as_bytes(std::span(entries)));
    }

    // Anything else.

    /// AVAIL and USED of a descriptor that is available in this lap.
    [[nodiscard]] static std::uint16_t available(bool wrap) { return wrap ? desc_avail : desc_used; }
    /// Everything but the flags, then these.
    void set_descriptor(std::uint16_t entry, const PackedDescriptor& descriptor) {
        const auto bytes = std::as_bytes(std::span(&descriptor, 1));
        ram().write(descriptors() + std::size_t{16} * entry, bytes.first(14));
        set_flags(entry, descriptor.flags);
    }
    void set_flags(std::uint16_t entry, std::uint16_t flags) {
        ram().store<std::uint16_t>(descriptors() + std::size_t{16} * entry + 14, flags);
    }
    [[nodiscard]] std::uint16_t flags_of(std::uint16_t entry) const {
        return memory().load<std::uint16_t>(descriptors() + std::size_t{16} * entry + 14);
    }
    void set_driver_event(std::uint16_t offset_and_wrap, EventFlags flags) {
        ram().store<std::uint32_t>(driver_area(), static_cast<std::uint32_t>(flags) << 16 | offset_and_wrap);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    [[nodiscard]] EventFlags device_event_flags() const {
        return static_cast<EventFlags>(memory().load<std::uint16_t>(device_area() + 2));
    }
    [[nodiscard]] Position next_avail() const { return next_avail_; }
    [[nodiscard]] Position next_used() const { return next_used_; }
    [[nodiscard]] Position advanced(Position from, std::uint16_t entries) const {
        const auto entry = from.entry + entries;
        return {.entry = static_cast<std::uint16_t>(entry % size()),
                .wrap = from.wrap != (entry / size() % 2 != 0)};
    }

  private:
    std::size_t free_;
    std::vector<std::uint16_t> slots_; ///< of the chain by id; 0: not in flight
    std::vector<std::uint16_t> free_ids_;
    Position next_avail_;
    Position next_used_;
    std::uint16_t unkicked_ = 0; ///< descriptors made available since needs_kick() was asked
};

/// The ring that these features name.
[[nodiscard]] inline std::unique_ptr<DriverQueue> make_queue(virtio::FeatureSet features, Ram& ram,
                                                             std::uint16_t size) {
    const bool event_idx = features.has(virtio::FeatureBit::ring_event_idx);
    if (features.has(virtio::FeatureBit::ring_packed)) {
        return std::make_unique<PackedQueue>(ram, size, event_idx);
    }
    return std::make_unique<SplitQueue>(ram, size, event_idx);
}

} // namespace hvisor::kit
