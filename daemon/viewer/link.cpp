// SPDX-License-Identifier: Apache-2.0
#include "viewer/link.hpp"

#include <sys/uio.h>
#include <utility>

namespace hvisor::viewer {

Sent Link::send(Kind kind, std::span<const std::byte> payload, int file) {
    const std::array parts{
        iovec{.iov_base = &kind, .iov_len = sizeof kind},
        // It is only read.
        iovec{.iov_base = const_cast<std::byte*>(payload.data()), .iov_len = payload.size()}};
    return send_packet(socket_.get(), parts, file);
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

} // namespace hvisor::viewer
