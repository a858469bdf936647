// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/rate_limit.hpp"
#include "service/listening_socket.hpp"
#include "service/main_loop.hpp"
#include "service/peer.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <sys/types.h>
#include <systemd/sd-event.h>
#include <vector>

namespace hvisor::service {

/// The socket on which programs get the objects without a bus in between, for
/// root zones that have none. Root, the daemon's own user and the group hvisor
/// may connect, whatever the socket's mode. Main loop only.
class ControlSocket {
  public:
    /// Makes the objects of a program's connection; `is_root`: it is root's or of the daemon's own user.
    using MakeObjects = std::function<std::unique_ptr<Objects>(sdbus::IConnection&, bool is_root)>;

    [[nodiscard]] static Result<std::unique_ptr<ControlSocket>> create(MainLoop& loop, ListeningSocket socket,
                                                                       MakeObjects make_objects);
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;
    ControlSocket(ControlSocket&&) = delete;
    ControlSocket& operator=(ControlSocket&&) = delete;
    ~ControlSocket() = default;

    /// Make every program's objects show these zones, and let those go that need not stay.
    void update(const std::vector<zone::ZoneState>& zones);

  private:
    struct Unref {
        void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
    };

    enum class Rank { stranger, member, root };

    ControlSocket(MainLoop& loop, ListeningSocket socket, MakeObjects make_objects);
    void accept();
    [[nodiscard]] Rank rank_of(int fd);
    void retire(const Peer* peer);
    void let_go();

    MainLoop& loop_;
    ListeningSocket socket_;
    MakeObjects make_objects_;
    std::optional<gid_t> group_;
    RateLimit complaints_;
    std::vector<std::unique_ptr<Peer>> peers_;
    std::vector<std::unique_ptr<Peer>> left_; ///< those that have to stay for now
    std::unique_ptr<sd_event_source, Unref> source_;
};

} // namespace hvisor::service
