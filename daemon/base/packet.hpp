// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <cstddef>
#include <cstring>
#include <span>
#include <sys/uio.h>
#include <utility>
#include <variant>

// Whole packets on a SOCK_SEQPACKET socket, each with one file or none: what the
// daemon and its helper programs speak over. Nothing here blocks.
namespace hvisor {

enum class Sent {
    yes,
    full, ///< the other side does not read: try again when the socket is writable
    gone, ///< there is no other side
};

/// A packet that came, whole and not yet judged.
struct Packet {
    std::span<const std::byte> bytes; ///< of the room it was received in
    UniqueFd file;                    ///< that came with it
};
struct Nothing {}; ///< has come yet
struct Gone {};    ///< the other side has, or it sent what is no packet of that size

/// One packet of all these parts; `file` -1: none goes with it.
[[nodiscard]] Sent send_packet(int socket, std::span<const iovec> parts, int file);

[[nodiscard]] std::variant<Packet, Nothing, Gone> receive_packet(int socket, std::span<std::byte> room);

/// The same of a message, which begins with its kind: as Received(kind, payload, file).
template <class Received>
[[nodiscard]] std::variant<Received, Nothing, Gone> receive_message(int socket, std::span<std::byte> room) {
    auto received = receive_packet(socket, room);
    if (std::holds_alternative<Nothing>(received)) {
        return Nothing{};
    }
    decltype(std::declval<const Received&>().kind()) kind{};
    auto* packet = std::get_if<Packet>(&received);
    if (packet == nullptr || packet->bytes.size() < sizeof kind) {
        return Gone{};
    }
    std::memcpy(&kind, packet->bytes.data(), sizeof kind);
    return Received(kind, packet->bytes.subspan(sizeof kind), std::move(packet->file));
}

} // namespace hvisor
