// SPDX-License-Identifier: Apache-2.0
#include "virtio/split_ring.hpp"

#include <span>

namespace hvisor::virtio {
namespace {

constexpr std::uint16_t avail_no_interrupt = 1;
constexpr std::uint16_t used_no_notify = 1;

// Offsets in the avail and used rings (virtio 1.2, 2.7.6 and 2.7.8).
constexpr std::size_t ring_flags = 0;
constexpr std::size_t ring_index = 2;
constexpr std::size_t ring_entries = 4;

constexpr std::size_t avail_entry(std::size_t n) {
    return ring_entries + 2 * n;
}
constexpr std::size_t used_entry(std::size_t n) {
    return ring_entries + 8 * n;
}

} // namespace

SplitRing::SplitRing(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
                     QueueIndices& indices, std::span<HeldDescriptor> held)
    : layout_(layout),
      memory_(&memory),
      event_idx_(features.has(FeatureBit::ring_event_idx)),
      indirect_(features.has(FeatureBit::ring_indirect_desc)),
      indices_(&indices),
      seen_avail_(indices.next_avail()),
      held_(held) {}

std::uint16_t SplitRing::avail_index() const {
    // Acquire: the entries and descriptors behind the index are read after it.
    return layout_.driver().load_acquire<std::uint16_t>(ring_index);
}

std::uint16_t SplitRing::used_event(const QueueLayout& layout) {
    return layout.driver().load_relaxed<std::uint16_t>(avail_entry(layout.size()));
}

std::uint16_t SplitRing::used_index(const QueueLayout& layout) {
    return layout.device().load_relaxed<std::uint16_t>(ring_index);
}

bool SplitRing::has_available() const {
    return avail_index() != indices_->next_avail();
}

std::expected<std::optional<RingElement>, QueueFault> SplitRing::pop(ChainBuffers& buffers) {
    const auto next = indices_->next_avail();
    if (next == seen_avail_) {
        // Only now: while the driver adds more, each look takes the line from its CPU.
        const auto seen = avail_index();
        if (seen == next) {
            return std::nullopt;
        }
        if (static_cast<std::uint16_t>(seen - next) > layout_.size()) {
            return std::unexpected(QueueFault::avail_index);
        }
        seen_avail_ = seen;
    }
    const auto head = layout_.driver().load_relaxed<std::uint16_t>(avail_entry(next % layout_.size()));
    if (head >= layout_.size()) {
        return std::unexpected(QueueFault::head_index);
    }
    if (held_[head].order != 0) {
        return std::unexpected(QueueFault::in_flight);
    }
    if (auto collected = collect(head, buffers); !collected) {
        return std::unexpected(collected.error());
    }
    held_[head].order = indices_->taken() + 1;
    indices_->take(static_cast<std::uint16_t>(next + 1));
    return RingElement{.id = head, .slots = 1, .held = head, .order = held_[head].order};
}

std::expected<RingElement, QueueFault> SplitRing::take_again(std::uint16_t held, ChainBuffers& buffers) {
    if (auto collected = collect(held, buffers); !collected) {
        return std::unexpected(collected.error());
    }
    return RingElement{.id = held, .slots = 1, .held = held, .order = held_[held].order};
}

std::expected<void, QueueFault> SplitRing::collect(std::uint16_t head, ChainBuffers& buffers) {
    ChainCollector collector(*memory_, buffers);
    auto index = head;
    // virtio 1.2, 2.7.5.2: a chain has at most as many descriptors as the
    // queue, so one more is a loop.
    for (unsigned count = 0; count < layout_.size(); ++count) {
        Descriptor descriptor{};
        layout_.descriptors().read(ChainCollector::descriptor_size * index,
                                   std::as_writable_bytes(std::span(&descriptor, 1)));
        const bool has_next = (descriptor.flags & desc_next) != 0;
        if ((descriptor.flags & desc_indirect) != 0) {
            // virtio 1.2, 2.7.5.3.1: negotiated, and the last of its chain.
            if (!indirect_ || has_next) {
                return std::unexpected(QueueFault::indirect);
            }
            return collect_indirect(descriptor, collector);
        }
        const bool writable = (descriptor.flags & desc_write) != 0;
        if (auto added = collector.add(descriptor.address, descriptor.length, writable); !added) {
            return added;
        }
        if (!has_next) {
            return {};
        }
        if (descriptor.next >= layout_.size()) {
            return std::unexpected(QueueFault::next_index);
        }
        index = descriptor.next;
    }
    return std::unexpected(QueueFault::chain_too_long);
}

std::expected<void, QueueFault> SplitRing::collect_indirect(const Descriptor& descriptor,
                                                            ChainCollector& collector) {
    if (auto copied = collector.copy_table(descriptor.address, descriptor.length, indirect_table_); !copied) {
        return copied;
    }
    std::size_t index = 0;
    for (std::size_t walked = 0; walked < indirect_table_.size(); ++walked) {
        const auto& entry = indirect_table_[index];
        // virtio 1.2, 2.7.5.3.1: no indirect descriptor inside a table.
        if ((entry.flags & desc_indirect) != 0) {
            return std::unexpected(QueueFault::indirect);
        }
        const bool writable = (entry.flags & desc_write) != 0;
        if (auto added = collector.add(entry.address, entry.length, writable); !added) {
            return added;
        }
        if ((entry.flags & desc_next) == 0) {
            return {};
        }
        if (entry.next >= indirect_table_.size()) {
            return std::unexpected(QueueFault::next_index);
        }
        index = entry.next;
    }
    return std::unexpected(QueueFault::chain_too_long);
}

void SplitRing::undo_pop(const RingElement& element) {
    indices_->undo_take(static_cast<std::uint16_t>(indices_->next_avail() - 1));
    held_[element.held].order = 0;
}

void SplitRing::add_used(const RingElement& element, std::uint32_t written) {
    const auto next = indices_->next_used();
    const auto entry = used_entry(next % layout_.size());
    layout_.device().store_relaxed<std::uint32_t>(entry, element.id);
    layout_.device().store_relaxed<std::uint32_t>(entry + 4, written);
    indices_->settle(element.order, static_cast<std::uint16_t>(next + 1));
    held_[element.held].order = 0;
}

void SplitRing::publish() {
    // Release: the data and the entries are visible before the index (virtio 1.2, 2.7.8.2).
    layout_.device().store_release<std::uint16_t>(ring_index, indices_->next_used());
}

void SplitRing::disable_notifications() {
    // With EVENT_IDX an old avail_event does it (virtio 1.2, 2.7.10.2: flags stay 0).
    if (!event_idx_) {
        layout_.device().store_relaxed<std::uint16_t>(ring_flags, used_no_notify);
    }
}

bool SplitRing::enable_notifications() {
    if (event_idx_) {
        const auto avail_event = used_entry(layout_.size());
        layout_.device().store_relaxed<std::uint16_t>(avail_event, indices_->next_avail());
    } else {
        layout_.device().store_relaxed<std::uint16_t>(ring_flags, 0);
    }
    // virtio 1.2, 2.7.10.1: check once more, or a chain waits for ever.
    full_fence();
    return has_available();
}

bool SplitRing::take_interrupt_request() {
    const auto used = indices_->next_used();
    const auto before = indices_->signalled();
    if (used == before) {
        return false;
    }
    indices_->set_signalled(used);
    // The driver stores its wish, then reads the used index; we the other way round.
    full_fence();
    if (!event_idx_) {
        return (layout_.driver().load_relaxed<std::uint16_t>(ring_flags) & avail_no_interrupt) == 0;
    }
    // virtio 1.2, 2.7.7.2: used_event lies among the entries published since.
    return static_cast<std::uint16_t>(used - used_event(layout_) - 1) <
           static_cast<std::uint16_t>(used - before);
}

bool SplitRing::driver_is_behind() const {
    return event_idx_ && driver_is_behind(layout_, indices_->next_used());
}

bool SplitRing::driver_is_behind(const QueueLayout& layout, std::uint16_t used) {
    // At most a queue full of entries can be unseen: another distance means
    // that the driver parked used_event because it does not want interrupts.
    const auto distance = static_cast<std::uint16_t>(used - used_event(layout));
    return distance != 0 && distance <= layout.size();
}

} // namespace hvisor::virtio
