// SPDX-License-Identifier: Apache-2.0
#include "devices/console/cursor.hpp"

#include <algorithm>
#include <cstddef>
#include <sys/sendfile.h>
#include <sys/socket.h>

namespace hvisor::devices::console {
namespace {

/// To a pty. Half of the history, so that a place in its file that has moved on by so much is not
/// taken for one that has gone back to its beginning.
constexpr std::size_t longest_write = History::capacity / 2;

/// Another process may have ended between its latest write and its note of it.
std::uint64_t resumed_position(const TerminalPosition& state, std::int64_t offset, const History& history) {
    auto position = state.position.get();
    const auto before = offset + static_cast<std::int64_t>(History::place_of(position));
    if (state.at > before && state.at - before <= static_cast<std::int64_t>(longest_write)) {
        position += static_cast<std::uint64_t>(state.at - before);
    }
    return std::min(position, history.end());
}

std::uint64_t resumed_position(const ClientPosition& state, const History& history) {
    const auto position = std::min(state.position.get(), history.end());
    const auto sent = state.from.get() == position ? std::uint64_t{state.sent.msg_len} : 0;
    return position + std::min(sent, history.end() - position);
}

} // namespace

TerminalCursor::TerminalCursor(TerminalPosition& state, int file, std::int64_t offset, const History& history)
    : Cursor(resumed_position(state, offset, history)), state_(state), file_(file), offset_(offset) {
    move_to(position());
}

void TerminalCursor::skip_to(std::uint64_t position) {
    state_.at = 0; // that was no write
    keep_order();
    move_to(position);
}

void TerminalCursor::move_to(std::uint64_t position) {
    set_position(position);
    state_.position.commit(position);
    state_.at = offset_ + static_cast<std::int64_t>(History::place_of(position));
    keep_order();
}

// A pty copies what it is sent from the file; a socket would refer to it, and its reader find there
// what the guest has printed since.
ssize_t TerminalCursor::send(int fd, const History& history) {
    const auto from = position();
    // As far as the end of the file's part: one write moves on in it, and no further.
    const auto length =
        std::min({history.end() - from, std::uint64_t{History::capacity - History::place_of(from)},
                  std::uint64_t{longest_write}});
    const auto sent = ::sendfile(fd, file_, &state_.at, length);
    if (sent > 0) {
        move_to(from + static_cast<std::uint64_t>(sent));
    }
    return sent;
}

ClientCursor::ClientCursor(ClientPosition& state, std::uint64_t client, std::uint64_t position)
    : Cursor(position), state_(state) {
    state.sent.msg_len = 0;
    state.position.set(position);
    state.client.commit(client);
}

ClientCursor::ClientCursor(ClientPosition& state, const History& history)
    : Cursor(resumed_position(state, history)), state_(state) {
    state.position.commit(position());
}

void ClientCursor::skip_to(std::uint64_t position) {
    set_position(position);
    state_.position.commit(position);
}

ssize_t ClientCursor::send(int fd, const History& history) {
    const auto from = position();
    auto pieces = history.from(from);
    auto& sent = state_.sent;
    sent.msg_len = 0;
    state_.from.commit(from);
    sent.msg_hdr = {};
    sent.msg_hdr.msg_iov = pieces.data();
    sent.msg_hdr.msg_iovlen = pieces.size();
    if (::sendmmsg(fd, &sent, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) {
        return -1;
    }
    skip_to(from + sent.msg_len);
    return static_cast<ssize_t>(sent.msg_len);
}

} // namespace hvisor::devices::console
