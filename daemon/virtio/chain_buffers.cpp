// SPDX-License-Identifier: Apache-2.0
#include "virtio/chain_buffers.hpp"

namespace hvisor::virtio {

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
    case QueueFault::in_flight:
        return "chain made available again before it came back";
    }
    return "fault";
}

std::expected<void, QueueFault> ChainCollector::add(std::uint64_t address, std::uint32_t length,
                                                    bool writable) {
    // virtio 1.2, 2.7.4.2 and 2.8.6: device-readable buffers come first.
    if (!writable && !buffers_.writable.empty()) {
        return std::unexpected(QueueFault::direction);
    }
    total_ += length;
    if (total_ > UINT32_MAX) {
        return std::unexpected(QueueFault::length);
    }
    if (length == 0) {
        return {};
    }
    if (!memory_.translate(address, length, writable ? buffers_.writable : buffers_.readable)) {
        return std::unexpected(QueueFault::memory);
    }
    return {};
}

} // namespace hvisor::virtio
