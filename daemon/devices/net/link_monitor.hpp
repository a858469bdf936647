// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/net/route_socket.hpp"

#include <optional>
#include <utility>

struct nlmsghdr;

namespace hvisor::devices::net {

/// Follows whether the cable to a guest is plugged in at the host's end: the
/// tap exists, is up and has a carrier, and the bridge it is a port of is up.
///
/// update() never waits: rtnetlink's messages only say when to look, and the
/// flags are read by ioctls that take no lock.
class LinkMonitor {
  public:
    [[nodiscard]] static Result<LinkMonitor> open(int index);

    [[nodiscard]] bool is_up() const { return is_up_; }
    /// Readable when there is something for update().
    [[nodiscard]] int fd() const { return socket_.fd(); }
    void update();

  private:
    explicit LinkMonitor(RouteSocket socket, int index) : socket_(std::move(socket)), index_(index) {}
    [[nodiscard]] bool take(const nlmsghdr* message);
    [[nodiscard]] short flags_of(int index) const;
    void look();

    RouteSocket socket_;
    int index_;
    int master_ = 0;
    bool is_gone_ = false;
    bool is_up_ = false;
};

} // namespace hvisor::devices::net
