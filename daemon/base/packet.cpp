// SPDX-License-Identifier: Apache-2.0
#include "base/packet.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>

namespace hvisor {
namespace {

/// Room for one descriptor; the kernel closes what does not fit (unix(7)).
union ControlRoom {
    cmsghdr header;
    std::array<std::byte, CMSG_SPACE(sizeof(int))> bytes;
};

UniqueFd file_of(msghdr& message) {
    const cmsghdr* control = CMSG_FIRSTHDR(&message);
    if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
        control->cmsg_len != CMSG_LEN(sizeof(int))) {
        return {};
    }
    int file = -1;
    std::memcpy(&file, CMSG_DATA(control), sizeof file);
    return UniqueFd(file);
}

} // namespace

Sent send_packet(int socket, std::span<const iovec> parts, int file) {
    msghdr message{};
    // sendmsg(2) only reads them.
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    ControlRoom room{};
    if (file >= 0) {
        message.msg_control = &room;
        message.msg_controllen = sizeof room;
        auto* control = CMSG_FIRSTHDR(&message);
        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof file);
        std::memcpy(CMSG_DATA(control), &file, sizeof file);
    }
    for (;;) {
        if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return Sent::yes;
        }
        if (errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? Sent::full : Sent::gone;
        }
    }
}

std::variant<Packet, Nothing, Gone> receive_packet(int socket, std::span<std::byte> room) {
    iovec part{.iov_base = room.data(), .iov_len = room.size()};
    ControlRoom control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    // Not its padding, in which a second one would have room.
    message.msg_controllen = CMSG_LEN(sizeof(int));
    ssize_t length = -1;
    do {
        length = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return Nothing{};
    }
    if (length <= 0) {
        return Gone{};
    }
    auto file = file_of(message);
    // A longer one, or more files than one, are no packet of these protocols.
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return Gone{};
    }
    return Packet{.bytes = room.first(static_cast<std::size_t>(length)), .file = std::move(file)};
}

} // namespace hvisor
