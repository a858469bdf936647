// SPDX-License-Identifier: Apache-2.0
#include "virtio/queue.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

namespace hvisor::virtio {
namespace {

using Ring = std::variant<SplitRing, PackedRing>;

/// Chains that were about to be taken never were; one that had gone back has.
void forget_half_done(const QueueIndices& indices, std::span<HeldDescriptor> held) {
    for (auto& descriptor : held) {
        if (descriptor.order > indices.taken() || descriptor.order == indices.settled()) {
            descriptor.order = 0;
        }
    }
}

Ring make_ring(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
               QueueState& state, Queue::Start start) {
    const auto held = std::span(state.held).first(layout.size());
    if (start == Queue::Start::fresh || state.is_running.get() == 0) {
        state.is_running.commit(0);
        state.indices.begin(layout.is_packed() ? PackedRing::first_index : SplitRing::first_index);
        std::ranges::fill(held, HeldDescriptor{});
        state.is_running.commit(1);
    }
    forget_half_done(state.indices, held);
    if (layout.is_packed()) {
        return PackedRing(layout, memory, features, state.indices, held);
    }
    return SplitRing(layout, memory, features, state.indices, held);
}

/// Which chains are out, the one that was taken first at the end.
std::vector<std::uint16_t> chains_out(const QueueState& state, const QueueLayout& layout) {
    std::vector<std::uint16_t> numbers;
    for (std::uint16_t i = 0; i < layout.size(); ++i) {
        const bool is_first = !layout.is_packed() || state.held.at(i).slots != 0;
        if (state.held.at(i).order != 0 && is_first) {
            numbers.push_back(i);
        }
    }
    std::ranges::sort(numbers, std::greater{}, [&](auto number) { return state.held.at(number).order; });
    return numbers;
}

} // namespace

bool Queue::can_continue(const QueueState& state, const QueueLayout& layout) {
    if (!layout.is_packed() || state.is_running.get() == 0) {
        return true; // positions run freely, and no chain is kept but by its head
    }
    const auto is_entry = [&](std::uint16_t position) {
        return (position & ~PackedRing::first_index) < layout.size();
    };
    const auto withheld = state.indices.withheld();
    return is_entry(state.indices.next_avail()) && is_entry(state.indices.next_used()) &&
           is_entry(state.indices.signalled()) && (!withheld || is_entry(withheld->position)) &&
           std::ranges::all_of(std::span(state.held).first(layout.size()), [&](const HeldDescriptor& held) {
               return held.order == 0 || (held.slots <= layout.size() && held.next < layout.size());
           });
}

Queue::Queue(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
             QueueState& state, Start start)
    : ring_(make_ring(layout, memory, features, state, start)),
      state_(state),
      in_order_(features.has(FeatureBit::in_order)),
      again_(chains_out(state, layout)),
      asked_(Clock::now()),
      ordered_(in_order_ ? layout.size() : 0) {
    if (start == Start::continued) {
        std::visit([](auto& ring) { ring.go_on(); }, ring_);
    }
}

bool Queue::has_available() const {
    return !again_.empty() || std::visit([](const auto& ring) { return ring.has_available(); }, ring_);
}

std::expected<std::optional<RingElement>, QueueFault> Queue::take(ChainBuffers& buffers) {
    if (again_.empty()) {
        return std::visit([&](auto& ring) { return ring.pop(buffers); }, ring_);
    }
    const auto number = again_.back();
    again_.pop_back();
    return std::visit([&](auto& ring) { return ring.take_again(number, buffers); }, ring_);
}

std::expected<std::optional<Chain>, QueueFault> Queue::pop() {
    auto buffers = take_buffers();
    const bool is_again = !again_.empty();
    const auto element = take(buffers);
    if (!element || !*element) {
        keep_buffers(std::move(buffers));
        if (!element) {
            return std::unexpected(element.error());
        }
        return std::nullopt;
    }
    const ChainTicket ticket{.element = **element, .order = newest_, .is_again = is_again, .asked = asked_};
    if (in_order_) {
        // A driver that follows the rules has at most as many out as the queue has entries.
        if (newest_ - oldest_ == ordered_.size()) {
            keep_buffers(std::move(buffers));
            return std::unexpected(QueueFault::in_flight);
        }
        ordered_[newest_ % ordered_.size()] = {.element = ticket.element};
        ++newest_;
    }
    ++in_flight_;
    return Chain(*this, ticket, std::move(buffers));
}

void Queue::give_back(const ChainTicket& ticket, std::uint32_t written, ChainBuffers buffers) {
    if (in_order_) {
        auto& slot = ordered_[ticket.order % ordered_.size()];
        slot.asked = ticket.asked;
        slot.written = written;
        slot.is_back = true;
        add_used_in_order();
    } else {
        add_used(ticket.element, written, ticket.asked);
    }
    --in_flight_;
    keep_buffers(std::move(buffers));
}

void Queue::add_used(const RingElement& element, std::uint32_t written, Clock::time_point asked) {
    std::visit([&](auto& ring) { ring.add_used(element, written); }, ring_);
    unpublished_.push_back(asked);
}

void Queue::add_used_in_order() {
    while (oldest_ != newest_ && ordered_[oldest_ % ordered_.size()].is_back) {
        const auto& slot = ordered_[oldest_ % ordered_.size()];
        add_used(slot.element, slot.written, slot.asked);
        ++oldest_;
    }
}

void Queue::undo_pop(const ChainTicket& ticket, ChainBuffers buffers) {
    if (ticket.is_again) {
        again_.push_back(ticket.element.held);
    } else {
        std::visit([&](auto& ring) { ring.undo_pop(ticket.element); }, ring_);
    }
    if (in_order_) {
        --newest_;
    }
    --in_flight_;
    keep_buffers(std::move(buffers));
}

bool Queue::publish(Clock::time_point now) {
    if (unpublished_.empty()) {
        return false;
    }
    std::visit([](auto& ring) { ring.publish(); }, ring_);
    for (const auto asked : unpublished_) {
        state_.metrics.count_request(now - asked);
    }
    unpublished_.clear();
    return true;
}

ChainBuffers Queue::take_buffers() {
    if (spare_buffers_.empty()) {
        return {};
    }
    auto buffers = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
    return buffers;
}

void Queue::keep_buffers(ChainBuffers buffers) {
    buffers.clear();
    spare_buffers_.push_back(std::move(buffers));
}

void Queue::disable_notifications() {
    std::visit([](auto& ring) { ring.disable_notifications(); }, ring_);
}

bool Queue::enable_notifications() {
    const bool has_more = std::visit([](auto& ring) { return ring.enable_notifications(); }, ring_);
    return has_more || !again_.empty();
}

bool Queue::take_interrupt_request() {
    return std::visit([](auto& ring) { return ring.take_interrupt_request(); }, ring_);
}

bool Queue::driver_is_behind() const {
    return std::visit([](const auto& ring) { return ring.driver_is_behind(); }, ring_);
}

} // namespace hvisor::virtio
