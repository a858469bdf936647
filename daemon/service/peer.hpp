// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "service/main_loop.hpp"
#include "service/objects.hpp"

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <functional>
#include <memory>
#include <vector>

namespace hvisor::service {

/// A program that is connected directly, and the objects that it sees. The
/// connection is sd-bus's own until the other side has authenticated itself:
/// sdbus-c++ would wait for that, and nothing on the main loop may wait for
/// somebody else. Main loop only.
class Peer {
  public:
    using MakeObjects = std::function<std::unique_ptr<Objects>(sdbus::IConnection&)>;

    using Gone = std::move_only_function<void(const Peer*)>;

    /// `make_objects` runs once the other side has authenticated itself, `gone`
    /// when it has left or failed to; the Peer must live until after `gone`.
    [[nodiscard]] static Result<std::unique_ptr<Peer>> create(MainLoop& loop, UniqueFd socket,
                                                              MakeObjects make_objects, Gone gone);
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    Peer(Peer&&) = delete;
    Peer& operator=(Peer&&) = delete;
    ~Peer();

    /// Make its objects show these zones. One that does not read what it is sent is
    /// left, as it is when it goes on asking.
    void update(const std::vector<zone::ZoneState>& zones);

    /// Whether it has to stay although it has left: some of its calls have no answer yet.
    [[nodiscard]] bool must_stay() const { return objects_ && objects_->must_stay(); }

  private:
    struct Unref {
        void operator()(sd_bus* bus) const { sd_bus_unref(bus); }
        void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
    };

    Peer(MakeObjects make_objects, Gone gone);
    Result<void> start(MainLoop& loop, UniqueFd socket);
    static int on_message(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_connected(sd_bus_message* message, void* data, sd_bus_error* error);
    static int on_deferred(sd_event_source* source, void* data);
    static int on_disconnected(sd_bus_message* message, void* data, sd_bus_error* error);
    [[nodiscard]] bool leave_if_deaf();
    void leave();

    MakeObjects make_objects_;
    Gone gone_;
    std::unique_ptr<sd_bus, Unref> bus_;
    std::unique_ptr<sd_event_source, Unref> deferred_;
    std::unique_ptr<sdbus::IConnection> connection_; ///< the same, once authenticated
    std::unique_ptr<Objects> objects_;
};

} // namespace hvisor::service
