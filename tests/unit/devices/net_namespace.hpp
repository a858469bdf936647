// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/net/config.hpp"
#include "devices/net/route_socket.hpp"

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <span>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace hvisor::devices::net {

/// A network of its own, empty, for the thread of one test; the test is
/// skipped where that is not allowed.
class Namespace {
  public:
    Namespace() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        // As root, or as anybody who may have a user namespace.
        if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
            SKIP("no network namespace can be made here");
        }
        if (const UniqueFd tun(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)); !tun) {
            leave();
            SKIP("/dev/net/tun cannot be opened here");
        }
        socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    }
    ~Namespace() { leave(); }
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;
    Namespace(Namespace&&) = delete;
    Namespace& operator=(Namespace&&) = delete;

    void add_bridge(const std::string& name) const {
        REQUIRE(::ioctl(socket_.get(), SIOCBRADDBR, name.c_str()) == 0);
        set_up(name, true);
    }
    void delete_bridge(const std::string& name) const {
        set_up(name, false);
        REQUIRE(::ioctl(socket_.get(), SIOCBRDELBR, name.c_str()) == 0);
    }
    void set_up(const std::string& name, bool up) const {
        auto request = named(name);
        REQUIRE(::ioctl(socket_.get(), SIOCGIFFLAGS, &request) == 0);
        request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
        REQUIRE(::ioctl(socket_.get(), SIOCSIFFLAGS, &request) == 0);
    }
    void toggle_debug(const std::string& name) const {
        auto request = named(name);
        REQUIRE(::ioctl(socket_.get(), SIOCGIFFLAGS, &request) == 0);
        request.ifr_flags = static_cast<short>(request.ifr_flags ^ IFF_DEBUG);
        REQUIRE(::ioctl(socket_.get(), SIOCSIFFLAGS, &request) == 0);
    }
    /// Also one that somebody is attached to.
    static void remove(const std::string& name) {
        struct {
            nlmsghdr header;
            ifinfomsg body;
        } message{};
        message.header.nlmsg_len = sizeof message;
        message.header.nlmsg_type = RTM_DELLINK;
        message.header.nlmsg_flags = NLM_F_REQUEST;
        message.body.ifi_index = link(name).index;
        const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        REQUIRE(::send(netlink.get(), &message, sizeof message, 0) == sizeof message);
    }
    [[nodiscard]] static bool exists(const std::string& name) {
        return RouteSocket::open()->find(name).has_value();
    }
    [[nodiscard]] static Link link(const std::string& name) {
        const auto found = RouteSocket::open()->find(name);
        REQUIRE(found);
        return *found;
    }
    [[nodiscard]] Mac mac(const std::string& name) const {
        auto request = named(name);
        REQUIRE(::ioctl(socket_.get(), SIOCGIFHWADDR, &request) == 0);
        Mac mac{};
        std::memcpy(mac.data(), request.ifr_hwaddr.sa_data, mac.size());
        return mac;
    }

    [[nodiscard]] static ifreq named(const std::string& name) {
        ifreq request{};
        std::memcpy(request.ifr_name, name.data(), std::min(name.size(), sizeof request.ifr_name - 1));
        return request;
    }

  private:
    void leave() const {
        if (before_) {
            static_cast<void>(::setns(before_.get(), CLONE_NEWNET));
        }
    }

    UniqueFd before_;
    UniqueFd socket_;
};

/// The host beyond a network interface: sees what comes out of it and sends
/// into it, whole Ethernet frames.
class PacketSocket {
  public:
    static constexpr std::uint16_t protocol = 0x88b5; ///< for experiments (IEEE 802)

    explicit PacketSocket(const std::string& interface)
        : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(protocol))) {
        REQUIRE(socket_);
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(protocol);
        address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
        REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    [[nodiscard]] bool send(std::span<const std::byte> frame) const {
        return ::send(socket_.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
    }
    /// The next frame, empty when there is none.
    [[nodiscard]] std::vector<std::byte> receive() const {
        std::vector<std::byte> frame(65536 + 256);
        const auto count = ::recv(socket_.get(), frame.data(), frame.size(), 0);
        frame.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return frame;
    }
    [[nodiscard]] int fd() const { return socket_.get(); }

  private:
    UniqueFd socket_;
};

} // namespace hvisor::devices::net
