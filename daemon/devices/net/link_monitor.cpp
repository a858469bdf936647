// SPDX-License-Identifier: Apache-2.0
#include "devices/net/link_monitor.hpp"

#include "base/errno_text.hpp"

#include <array>
#include <cerrno>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace hvisor::devices::net {
namespace {

/// Messages of one turn; the next one comes at once when there are more.
constexpr int most_messages = 32;
/// A start of a machine moves many interfaces at once.
constexpr int receive_buffer = 1 << 20;

} // namespace

Result<LinkMonitor> LinkMonitor::open(int index) {
    auto socket = RouteSocket::open(RTMGRP_LINK);
    if (!socket) {
        return std::unexpected(std::move(socket).error());
    }
    ::setsockopt(socket->fd(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    LinkMonitor monitor(std::move(*socket), index);
    // By a socket of its own: this one's answers would stand between messages.
    const auto asking = RouteSocket::open();
    if (!asking) {
        return std::unexpected(asking.error());
    }
    const auto link = asking->find(index);
    if (!link) {
        return fail(ErrorCode::failed, "cannot read the state of a network interface: {}",
                    errno_text(link.error()));
    }
    monitor.master_ = link->master;
    monitor.look();
    return monitor;
}

bool LinkMonitor::take(const nlmsghdr* message) {
    const auto* body = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    // A bridge reports the leaving of a port as a deletion, too.
    if (body->ifi_family != AF_UNSPEC || (body->ifi_index != index_ && body->ifi_index != master_)) {
        return false;
    }
    if (body->ifi_index == index_) {
        is_gone_ |= message->nlmsg_type == RTM_DELLINK;
        master_ = parse_link(message).master;
    }
    return true;
}

void LinkMonitor::update() {
    std::array<char, 32768> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): filled by recv
    bool concerns_us = false;
    for (int i = 0; i < most_messages; ++i) {
        const auto count = ::recv(socket_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count < 0) {
            // Messages were lost: look, whatever they said.
            concerns_us |= errno == ENOBUFS;
            break;
        }
        auto left = static_cast<int>(count);
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK) {
                concerns_us |= take(message);
            }
        }
    }
    if (concerns_us) {
        look();
    }
}

short LinkMonitor::flags_of(int index) const {
    ifreq request{};
    request.ifr_ifindex = index;
    if (::ioctl(fd(), SIOCGIFNAME, &request) != 0 || ::ioctl(fd(), SIOCGIFFLAGS, &request) != 0) {
        return 0;
    }
    return request.ifr_flags;
}

void LinkMonitor::look() {
    constexpr short working = IFF_UP | IFF_RUNNING;
    is_up_ = !is_gone_ && (flags_of(index_) & working) == working &&
             (master_ == 0 || (flags_of(master_) & IFF_UP) != 0);
}

} // namespace hvisor::devices::net
