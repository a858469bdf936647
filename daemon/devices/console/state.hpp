// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "devices/console/history.hpp"
#include "virtio/device.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <sys/socket.h>
#include <type_traits>

namespace hvisor::devices::console {

/// As many as the queues allow.
inline constexpr std::size_t max_ports = (virtio::max_queues - 2) / 2;
static_assert(max_ports >= 7); // the configuration reader takes 6 further ones

/// Where the conversation about a port stands (virtio 1.2, 5.3.6.2).
/// Messages wait as bits, so that a driver that provokes many of them and
/// takes none costs nothing.
struct Conversation {
    bool added = false;     ///< the driver has been told, or will be
    bool ready = false;     ///< the driver has it
    std::uint16_t owed = 0; ///< bit n: a message of event n waits for a buffer
    Watched<bool> guest_open;
};

/// How far the history has been written to a pty. The kernel moves `at` itself, as part of writing:
/// so whoever is killed, what was written and what is noted are the same.
struct TerminalPosition {
    Watched<std::uint64_t> position; ///< in the history, before the latest write
    std::int64_t at = 0;             ///< in the file that the history is in, before it or after it
};

/// Streams of one port.
inline constexpr std::size_t max_clients = 32;

/// How far the history has been sent to a client. The kernel writes down how much it took, as part
/// of sending (sendmmsg(2)): so whoever is killed, what was sent and what is noted are the same.
struct ClientPosition {
    Watched<std::uint64_t> client;   ///< by which its stream is known; 0: nobody has this place
    Watched<std::uint64_t> position; ///< in the history, before the latest send or after it
    Watched<std::uint64_t> from;     ///< where that began
    mmsghdr sent{};                  ///< how much it was; the rest is of no use to another process
};

/// What was typed, on its way to the guest (TypedInput).
struct TypedState {
    static constexpr std::size_t capacity = 4096;

    std::int64_t at = 0; ///< in the file that this is in, behind the last of `bytes`; the kernel moves it
    Watched<std::uint32_t> taken; ///< of them, by the guest
    Watched<std::uint32_t> from;  ///< where those begin that went to `chain`
    Watched<std::uint64_t> chain; ///< virtio::Chain::order() of the latest that got some
    std::array<std::byte, capacity> bytes;
};

/// What a port has to show, whoever is attached: written by the owner thread.
struct PortContent {
    Watched<std::uint16_t> columns{80};
    Watched<std::uint16_t> rows{25};
    /// The chain that is printed, or was last, by virtio::Chain::order(), and where its
    /// bytes begin: what is printed of it is not printed again.
    Watched<std::uint64_t> printed_chain;
    Watched<std::uint64_t> printed_from;
    TerminalPosition terminal; ///< of the pty
    std::array<ClientPosition, max_clients> clients;
    TypedState typed;
    History history;
};

/// All that a console remembers of its driver and for its users: plain data.
struct ConsoleState {
    std::array<Conversation, max_ports> conversations;
    std::array<PortContent, max_ports> ports;
};
static_assert(std::is_trivially_copyable_v<ConsoleState>);

} // namespace hvisor::devices::console
