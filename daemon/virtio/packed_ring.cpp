// SPDX-License-Identifier: Apache-2.0
#include "virtio/packed_ring.hpp"

namespace hvisor::virtio {
namespace {

constexpr std::uint16_t desc_avail = 1 << 7;
constexpr std::uint16_t desc_used = 1 << 15;

// Offsets in a descriptor (virtio 1.2, 2.8.13).
constexpr std::size_t at_address = 0;
constexpr std::size_t at_length = 8;
constexpr std::size_t at_id = 12;
constexpr std::size_t at_flags = 14;

// An event suppression structure (virtio 1.2, 2.8.14): offset and wrap
// counter, then flags, read and written in one piece.
constexpr std::uint16_t event_enable = 0;
constexpr std::uint16_t event_disable = 1;
constexpr std::uint16_t event_descriptor = 2;
constexpr std::uint16_t event_flags_mask = 3;
constexpr std::uint16_t wrap_bit = 0x8000;

constexpr std::size_t at(std::uint16_t entry, std::size_t field) {
    return ChainCollector::descriptor_size * entry + field;
}

constexpr std::uint32_t event(std::uint16_t index, std::uint16_t flags) {
    return std::uint32_t{flags} << 16 | index;
}

} // namespace

PackedRing::PackedRing(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
                       QueueIndices& indices, std::span<HeldDescriptor> held)
    : layout_(layout),
      memory_(&memory),
      event_idx_(features.has(FeatureBit::ring_event_idx)),
      indirect_(features.has(FeatureBit::ring_indirect_desc)),
      indices_(&indices),
      held_(held) {
    for (const auto& descriptor : held_) {
        slots_out_ += descriptor.order != 0 ? descriptor.slots : 0U;
    }
}

PackedRing::Position PackedRing::unpack(std::uint16_t index) {
    return {.entry = static_cast<std::uint16_t>(index & ~wrap_bit), .wrap = (index & wrap_bit) != 0};
}

std::uint16_t PackedRing::pack(Position position) {
    return position.wrap ? position.entry | wrap_bit : position.entry;
}

PackedRing::Position PackedRing::advanced(Position from, unsigned entries) const {
    // At most once around: no chain is longer than the ring.
    const auto entry = from.entry + entries;
    return entry < layout_.size()
               ? Position{.entry = static_cast<std::uint16_t>(entry), .wrap = from.wrap}
               : Position{.entry = static_cast<std::uint16_t>(entry - layout_.size()), .wrap = !from.wrap};
}

bool PackedRing::is_available(std::uint16_t flags, bool wrap) {
    // virtio 1.2, 2.8.1: AVAIL is the driver's wrap counter, USED is not.
    return ((flags & desc_avail) != 0) == wrap && ((flags & desc_used) != 0) != wrap;
}

std::uint16_t PackedRing::load_flags(std::uint16_t entry) const {
    // Acquire: the rest of the descriptor, and of the chain, is read after it.
    return layout_.descriptors().load_acquire<std::uint16_t>(at(entry, at_flags));
}

PackedRing::Descriptor PackedRing::load_descriptor(std::uint16_t entry, std::uint16_t flags) const {
    const auto& table = layout_.descriptors();
    return {.address = table.load_relaxed<std::uint64_t>(at(entry, at_address)),
            .length = table.load_relaxed<std::uint32_t>(at(entry, at_length)),
            .id = table.load_relaxed<std::uint16_t>(at(entry, at_id)),
            .flags = flags};
}

bool PackedRing::has_available() const {
    const auto next = unpack(indices_->next_avail());
    return is_available(load_flags(next.entry), next.wrap);
}

std::expected<std::optional<RingElement>, QueueFault> PackedRing::pop(ChainBuffers& buffers) {
    const auto begin = unpack(indices_->next_avail());
    auto flags = load_flags(begin.entry);
    if (!is_available(flags, begin.wrap)) {
        return std::nullopt;
    }
    ChainCollector collector(*memory_, buffers);
    auto position = begin;
    chain_.clear();
    // virtio 1.2, 2.8.8: the driver writes the flags of the first descriptor
    // last, so the others need no look at theirs.
    for (std::uint16_t slots = 1; slots <= layout_.size(); ++slots) {
        const auto descriptor = load_descriptor(position.entry, flags);
        const bool has_next = (flags & desc_next) != 0;
        position = advanced(position, 1);
        // virtio 1.2, 2.8.19: an indirect descriptor is negotiated, and alone.
        if ((flags & desc_indirect) != 0 && (!indirect_ || has_next || slots != 1)) {
            return std::unexpected(QueueFault::indirect);
        }
        if (auto collected = collect(descriptor, collector); !collected) {
            return std::unexpected(collected.error());
        }
        chain_.push_back(descriptor);
        if (!has_next) {
            // A driver that uses entries twice could have us hold chains without end.
            if (slots_out_ + slots > layout_.size()) {
                return std::unexpected(QueueFault::in_flight);
            }
            slots_out_ += slots;
            // virtio 1.2, 2.8.6: the last descriptor has the buffer id.
            const RingElement element{.id = descriptor.id,
                                      .slots = slots,
                                      .held = hold(descriptor.id),
                                      .order = indices_->taken() + 1};
            indices_->take(pack(position));
            return element;
        }
        flags = load_flags(position.entry);
    }
    return std::unexpected(QueueFault::chain_too_long);
}

std::expected<void, QueueFault> PackedRing::collect(const Descriptor& descriptor, ChainCollector& collector) {
    if ((descriptor.flags & desc_indirect) != 0) {
        return collect_indirect(descriptor, collector);
    }
    return collector.add(descriptor.address, descriptor.length, (descriptor.flags & desc_write) != 0);
}

std::uint16_t PackedRing::hold(std::uint16_t id) {
    const auto order = indices_->taken() + 1;
    std::uint16_t next = 0;
    for (std::size_t i = chain_.size(); i-- > 0;) {
        // There is one: no more are held than the queue has entries.
        while (held_[next_free_].order != 0) {
            next_free_ = static_cast<std::uint16_t>((next_free_ + 1) % held_.size());
        }
        held_[next_free_] = {.order = order,
                             .address = chain_[i].address,
                             .length = chain_[i].length,
                             .flags = chain_[i].flags,
                             .id = id,
                             .slots = static_cast<std::uint16_t>(i == 0 ? chain_.size() : 0),
                             .next = next};
        next = next_free_;
    }
    return next;
}

void PackedRing::let_go(const RingElement& element) {
    auto number = element.held;
    for (std::uint16_t i = 0; i < element.slots; ++i) {
        held_[number].order = 0;
        number = held_[number].next;
    }
    slots_out_ -= element.slots;
}

std::expected<RingElement, QueueFault> PackedRing::take_again(std::uint16_t held, ChainBuffers& buffers) {
    const RingElement element{
        .id = held_[held].id, .slots = held_[held].slots, .held = held, .order = held_[held].order};
    ChainCollector collector(*memory_, buffers);
    auto number = held;
    for (std::uint16_t i = 0; i < element.slots; ++i) {
        const auto& copy = held_[number];
        const Descriptor descriptor{
            .address = copy.address, .length = copy.length, .id = copy.id, .flags = copy.flags};
        if (auto collected = collect(descriptor, collector); !collected) {
            return std::unexpected(collected.error());
        }
        number = copy.next;
    }
    return element;
}

std::expected<void, QueueFault> PackedRing::collect_indirect(const Descriptor& descriptor,
                                                             ChainCollector& collector) {
    if (auto copied = collector.copy_table(descriptor.address, descriptor.length, indirect_table_); !copied) {
        return copied;
    }
    // virtio 1.2, 2.8.7: entries follow each other, and of their flags only WRITE counts.
    for (const auto& entry : indirect_table_) {
        if (auto added = collector.add(entry.address, entry.length, (entry.flags & desc_write) != 0);
            !added) {
            return added;
        }
    }
    return {};
}

void PackedRing::undo_pop(const RingElement& element) {
    auto position = unpack(indices_->next_avail());
    if (position.entry < element.slots) {
        position.entry = static_cast<std::uint16_t>(position.entry + layout_.size());
        position.wrap = !position.wrap;
    }
    position.entry = static_cast<std::uint16_t>(position.entry - element.slots);
    indices_->undo_take(pack(position));
    let_go(element);
}

void PackedRing::add_used(const RingElement& element, std::uint32_t written) {
    const auto here = unpack(indices_->next_used());
    const auto& table = layout_.descriptors();
    table.store_relaxed<std::uint32_t>(at(here.entry, at_length), written);
    table.store_relaxed<std::uint16_t>(at(here.entry, at_id), element.id);
    // virtio 1.2, 2.8.1: both bits are the device's wrap counter; 2.8.7: WRITE when data was written.
    const auto flags = static_cast<std::uint16_t>((here.wrap ? desc_avail | desc_used : 0) |
                                                  (written != 0 ? desc_write : 0));
    if (indices_->withheld()) {
        table.store_release<std::uint16_t>(at(here.entry, at_flags), flags);
    } else {
        indices_->withhold({.position = pack(here), .flags = flags});
    }
    indices_->settle(element.order, pack(advanced(here, element.slots)));
    let_go(element);
}

void PackedRing::publish() {
    if (const auto first = indices_->withheld()) {
        layout_.descriptors().store_release<std::uint16_t>(at(unpack(first->position).entry, at_flags),
                                                           first->flags);
        indices_->end_withholding();
    }
}

void PackedRing::go_on() {
    const auto next = unpack(indices_->next_used());
    if (const auto first = indices_->withheld()) {
        const auto position = unpack(first->position);
        const bool was_written = first->position != indices_->next_used();
        // Once it is published, the driver may have made the entry available again.
        if (!was_written || !is_available(load_flags(position.entry), position.wrap)) {
            indices_->end_withholding();
        }
    }
    // An entry that was written as used and did not count is not: its chain is still out.
    const auto flags = load_flags(next.entry);
    if (((flags & desc_avail) != 0) == next.wrap && ((flags & desc_used) != 0) == next.wrap) {
        layout_.descriptors().store_relaxed<std::uint16_t>(at(next.entry, at_flags),
                                                           next.wrap ? desc_avail : desc_used);
    }
    publish();
}

void PackedRing::disable_notifications() {
    layout_.device().store_relaxed<std::uint32_t>(0, event(0, event_disable));
}

bool PackedRing::enable_notifications() {
    // With EVENT_IDX for the very next descriptor, which is as good as any.
    layout_.device().store_relaxed<std::uint32_t>(
        0, event_idx_ ? event(indices_->next_avail(), event_descriptor) : event(0, event_enable));
    // virtio 1.2, 2.8.21.3: check once more, or a chain waits for ever.
    full_fence();
    return has_available();
}

std::uint32_t PackedRing::driver_wish() const {
    return layout_.driver().load_relaxed<std::uint32_t>(0);
}

bool PackedRing::names_descriptor(std::uint32_t wish) const {
    return event_idx_ && (wish >> 16 & event_flags_mask) == event_descriptor;
}

std::uint16_t PackedRing::entries_between(Position from, Position to) const {
    // Both are at most a ring apart, so another wrap counter is another lap.
    const auto lap = from.wrap == to.wrap ? 0 : layout_.size();
    return static_cast<std::uint16_t>(to.entry - from.entry + lap);
}

bool PackedRing::take_interrupt_request() {
    const auto used = indices_->next_used();
    const auto before = indices_->signalled();
    if (used == before) {
        return false;
    }
    indices_->set_signalled(used);
    // The driver stores its wish, then looks at the ring; we the other way round.
    full_fence();
    const auto wish = driver_wish();
    if (!names_descriptor(wish)) {
        return (wish >> 16 & event_flags_mask) != event_disable;
    }
    // virtio 1.2, 2.8.10: the entry lies among those published since.
    const auto behind = entries_between(unpack(static_cast<std::uint16_t>(wish)), unpack(used));
    return static_cast<std::uint16_t>(behind - 1) < entries_between(unpack(before), unpack(used));
}

bool PackedRing::driver_is_behind() const {
    const auto wish = driver_wish();
    if (!names_descriptor(wish)) {
        return false;
    }
    const auto behind =
        entries_between(unpack(static_cast<std::uint16_t>(wish)), unpack(indices_->next_used()));
    return behind != 0 && behind <= layout_.size();
}

} // namespace hvisor::virtio
