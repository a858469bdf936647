// SPDX-License-Identifier: Apache-2.0
#include "viewer/link.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>

namespace hvisor::viewer {
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

Sent Link::send(Kind kind, std::span<const std::byte> payload, int file) {
    std::array parts{iovec{.iov_base = &kind, .iov_len = sizeof kind},
                     // sendmsg(2) only reads it.
                     iovec{.iov_base = const_cast<std::byte*>(payload.data()), .iov_len = payload.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
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
        if (::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
            return Sent::yes;
        }
        if (errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? Sent::full : Sent::gone;
        }
    }
}

std::variant<Received, Nothing, Gone> Link::receive() {
    iovec part{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    ControlRoom room{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &room;
    // Not its padding, in which a second one would have room.
    message.msg_controllen = CMSG_LEN(sizeof(int));
    ssize_t length = -1;
    do {
        length = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return Nothing{};
    }
    if (length <= 0) {
        return Gone{};
    }
    auto file = file_of(message);
    // A longer one, or more files than one, are no message of this protocol.
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || std::cmp_less(length, sizeof(Kind))) {
        return Gone{};
    }
    Kind kind{};
    std::memcpy(&kind, buffer_.data(), sizeof kind);
    return Received(kind,
                    std::span(buffer_).subspan(sizeof kind, static_cast<std::size_t>(length) - sizeof kind),
                    std::move(file));
}

} // namespace hvisor::viewer
