// SPDX-License-Identifier: Apache-2.0
#include "virtio/queue.hpp"

#include <atomic>
#include <span>
#include <utility>

namespace hvisor::virtio {
namespace {

constexpr std::uint16_t desc_next = 1;
constexpr std::uint16_t desc_write = 2;
constexpr std::uint16_t desc_indirect = 4;
constexpr std::uint16_t avail_no_interrupt = 1;
constexpr std::uint16_t used_no_notify = 1;
constexpr std::size_t descriptor_size = 16;

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

/// Orders a store before a later load, which nothing weaker does. On both
/// sides of every suppression flag, or notifications and interrupts get lost.
void full_fence() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

} // namespace

std::string_view to_string(QueueFault fault) {
    switch (fault) {
    case QueueFault::avail_index:
        return "avail ring index that is ahead by more than the queue size";
    case QueueFault::head_index:
        return "chain head outside the descriptor table";
    case QueueFault::next_index:
        return "next descriptor outside the table";
    case QueueFault::chain_too_long:
        return "descriptor chain with a loop or longer than the queue";
    case QueueFault::length:
        return "descriptor chain of more than 4 GiB";
    case QueueFault::memory:
        return "buffer outside the zone's memory";
    case QueueFault::direction:
        return "device-readable buffer after a device-writable one";
    case QueueFault::indirect:
        return "malformed indirect descriptor";
    }
    return "fault";
}

Queue::Queue(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
             QueueIndices& indices)
    : layout_(layout),
      memory_(memory),
      event_idx_(features.has(FeatureBit::ring_event_idx)),
      indirect_(features.has(FeatureBit::ring_indirect_desc)),
      indices_(indices) {}

std::uint16_t Queue::avail_index() const {
    // Acquire: the entries and descriptors behind the index are read after it.
    return layout_.avail().load_acquire<std::uint16_t>(ring_index);
}

std::uint16_t Queue::used_event() const {
    return layout_.avail().load_relaxed<std::uint16_t>(avail_entry(layout_.size()));
}

bool Queue::has_available() const {
    return avail_index() != indices_.next_avail.get();
}

std::expected<std::optional<Chain>, QueueFault> Queue::pop() {
    const auto next = indices_.next_avail.get();
    const auto ahead = static_cast<std::uint16_t>(avail_index() - next);
    if (ahead == 0) {
        return std::nullopt;
    }
    if (ahead > layout_.size()) {
        return std::unexpected(QueueFault::avail_index);
    }
    const auto head = layout_.avail().load_relaxed<std::uint16_t>(avail_entry(next % layout_.size()));
    auto buffers = take_buffers();
    if (auto collected = collect(head, buffers); !collected) {
        return std::unexpected(collected.error());
    }
    indices_.next_avail.set(static_cast<std::uint16_t>(next + 1));
    return Chain(*this, head, std::move(buffers));
}

std::expected<void, QueueFault> Queue::collect(std::uint16_t head, ChainBuffers& buffers) {
    if (head >= layout_.size()) {
        return std::unexpected(QueueFault::head_index);
    }
    std::uint64_t total = 0;
    auto index = head;
    // virtio 1.2, 2.7.5.2: a chain has at most as many descriptors as the
    // queue, so one more is a loop.
    for (unsigned count = 0; count < layout_.size(); ++count) {
        Descriptor descriptor{};
        layout_.descriptors().read(descriptor_size * index,
                                   std::as_writable_bytes(std::span(&descriptor, 1)));
        const bool has_next = (descriptor.flags & desc_next) != 0;
        if ((descriptor.flags & desc_indirect) != 0) {
            // virtio 1.2, 2.7.5.3.1: negotiated, and the last of its chain.
            if (!indirect_ || has_next) {
                return std::unexpected(QueueFault::indirect);
            }
            return collect_indirect(descriptor, buffers, total);
        }
        if (auto added = add_buffer(descriptor, buffers, total); !added) {
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

std::expected<void, QueueFault> Queue::collect_indirect(const Descriptor& descriptor, ChainBuffers& buffers,
                                                        std::uint64_t& total) {
    const auto count = descriptor.length / descriptor_size;
    if (descriptor.length % descriptor_size != 0 || count == 0 || count > max_indirect) {
        return std::unexpected(QueueFault::indirect);
    }
    const auto table = memory_.translate(descriptor.address, descriptor.length);
    if (!table) {
        return std::unexpected(QueueFault::memory);
    }
    indirect_table_.resize(count);
    table->read(0, std::as_writable_bytes(std::span(indirect_table_)));
    std::size_t index = 0;
    for (std::size_t walked = 0; walked < count; ++walked) {
        const auto& entry = indirect_table_[index];
        // virtio 1.2, 2.7.5.3.1: no indirect descriptor inside a table.
        if ((entry.flags & desc_indirect) != 0) {
            return std::unexpected(QueueFault::indirect);
        }
        if (auto added = add_buffer(entry, buffers, total); !added) {
            return added;
        }
        if ((entry.flags & desc_next) == 0) {
            return {};
        }
        if (entry.next >= count) {
            return std::unexpected(QueueFault::next_index);
        }
        index = entry.next;
    }
    return std::unexpected(QueueFault::chain_too_long);
}

std::expected<void, QueueFault> Queue::add_buffer(const Descriptor& descriptor, ChainBuffers& buffers,
                                                  std::uint64_t& total) {
    const bool writable = (descriptor.flags & desc_write) != 0;
    // virtio 1.2, 2.7.4.2: device-readable buffers come first.
    if (!writable && !buffers.writable.empty()) {
        return std::unexpected(QueueFault::direction);
    }
    total += descriptor.length;
    if (total > UINT32_MAX) {
        return std::unexpected(QueueFault::length);
    }
    if (descriptor.length == 0) {
        return {};
    }
    if (!memory_.translate(descriptor.address, descriptor.length,
                           writable ? buffers.writable : buffers.readable)) {
        return std::unexpected(QueueFault::memory);
    }
    return {};
}

void Queue::publish(std::uint16_t head, std::uint32_t written, ChainBuffers buffers) {
    const auto next = indices_.next_used.get();
    const auto entry = used_entry(next % layout_.size());
    layout_.used().store_relaxed<std::uint32_t>(entry, head);
    layout_.used().store_relaxed<std::uint32_t>(entry + 4, written);
    const auto after = static_cast<std::uint16_t>(next + 1);
    indices_.next_used.set(after);
    // Release: the data and the entry are visible before the index (virtio 1.2, 2.7.8.2).
    layout_.used().store_release<std::uint16_t>(ring_index, after);
    keep_buffers(std::move(buffers));
}

void Queue::undo_pop(ChainBuffers buffers) {
    indices_.next_avail.set(static_cast<std::uint16_t>(indices_.next_avail.get() - 1));
    keep_buffers(std::move(buffers));
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
    buffers.readable.clear();
    buffers.writable.clear();
    spare_buffers_.push_back(std::move(buffers));
}

void Queue::disable_notifications() {
    // With EVENT_IDX an old avail_event does it (virtio 1.2, 2.7.10.2: flags stay 0).
    if (!event_idx_) {
        layout_.used().store_relaxed<std::uint16_t>(ring_flags, used_no_notify);
    }
}

bool Queue::enable_notifications() {
    if (event_idx_) {
        const auto avail_event = used_entry(layout_.size());
        layout_.used().store_relaxed<std::uint16_t>(avail_event, indices_.next_avail.get());
    } else {
        layout_.used().store_relaxed<std::uint16_t>(ring_flags, 0);
    }
    // virtio 1.2, 2.7.10.1: check once more, or a chain waits for ever.
    full_fence();
    return has_available();
}

bool Queue::take_interrupt_request() {
    const auto used = indices_.next_used.get();
    const auto before = indices_.signalled.get();
    if (used == before) {
        return false;
    }
    indices_.signalled.set(used);
    // The driver stores its wish, then reads the used index; we the other way round.
    full_fence();
    if (!event_idx_) {
        return (layout_.avail().load_relaxed<std::uint16_t>(ring_flags) & avail_no_interrupt) == 0;
    }
    // virtio 1.2, 2.7.7.2: used_event lies among the entries published since.
    return static_cast<std::uint16_t>(used - used_event() - 1) < static_cast<std::uint16_t>(used - before);
}

bool Queue::driver_is_behind() const {
    if (!event_idx_) {
        return false;
    }
    // At most a queue full of entries can be unseen: another distance means
    // that the driver parked used_event because it does not want interrupts.
    const auto distance = static_cast<std::uint16_t>(indices_.next_used.get() - used_event());
    return distance != 0 && distance <= layout_.size();
}

} // namespace hvisor::virtio
