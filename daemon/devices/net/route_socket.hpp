// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/net/config.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

struct mnl_socket;
struct nlmsghdr; // NOLINT(readability-identifier-naming): the kernel's name

namespace hvisor::devices::net {

/// A network interface of the host, as rtnetlink describes it.
struct Link {
    int index = 0;
    std::string name;
    std::string kind; ///< "tun" (a tap too), "bridge"; "" for a physical one
    std::uint32_t flags = 0;
    std::uint32_t mtu = 0;
    int master = 0; ///< index of the bridge it is a port of
    bool is_tap = false;
    bool is_multi_queue = false; ///< a tap that several descriptors can be attached to
};

/// What to change about an interface.
struct LinkChange {
    std::optional<std::uint32_t> mtu = {};
    std::optional<int> master = {};
    std::optional<Mac> mac = {};
    bool up = false;
};

/// A netlink socket for the host's network interfaces. Its requests wait for
/// the kernel's lock of the network configuration: not on an owner thread.
class RouteSocket {
  public:
    /// `groups` as in netlink(7): messages that come by themselves.
    [[nodiscard]] static Result<RouteSocket> open(std::uint32_t groups = 0);

    /// Errors are errno values; ENODEV is "there is none of that name".
    [[nodiscard]] std::expected<Link, int> find(const std::string& name) const;
    [[nodiscard]] std::expected<Link, int> find(int index) const;
    [[nodiscard]] std::expected<void, int> change(int index, const LinkChange& change) const;

    [[nodiscard]] int fd() const;

  private:
    struct Close {
        void operator()(mnl_socket* socket) const;
    };
    explicit RouteSocket(mnl_socket* socket) : socket_(socket) {}
    [[nodiscard]] std::expected<Link, int> ask(nlmsghdr* request) const;

    std::unique_ptr<mnl_socket, Close> socket_;
};

/// What an RTM_NEWLINK message says.
[[nodiscard]] Link parse_link(const nlmsghdr* message);

} // namespace hvisor::devices::net
