// SPDX-License-Identifier: Apache-2.0
#include "render/link.hpp"

#include <sys/uio.h>

namespace hvisor::render {

Sent Link::send(std::span<const std::byte> message, int file) {
    // It is only read.
    const iovec part{.iov_base = const_cast<std::byte*>(message.data()), .iov_len = message.size()};
    return send_packet(socket_.get(), {&part, 1}, file);
}

std::variant<Received, Nothing, Gone> Link::receive() {
    auto received = receive_packet(socket_.get(), buffer_);
    if (std::holds_alternative<Nothing>(received)) {
        return Nothing{};
    }
    auto* packet = std::get_if<Packet>(&received);
    if (packet == nullptr || packet->bytes.size() < sizeof(Kind)) {
        return Gone{};
    }
    Kind kind{};
    std::memcpy(&kind, packet->bytes.data(), sizeof kind);
    return Received(kind, packet->bytes.subspan(sizeof kind), std::move(packet->file));
}

} // namespace hvisor::render
