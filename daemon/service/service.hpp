// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "hypervisor/late_hypervisor.hpp"
#include "hypervisor/trap_loop.hpp"
#include "service/action_calls.hpp"
#include "service/actions.hpp"
#include "service/control_socket.hpp"
#include "service/control_thread.hpp"
#include "service/device_actions.hpp"
#include "service/jobs.hpp"
#include "service/key_strokes.hpp"
#include "service/listening_socket.hpp"
#include "service/main_loop.hpp"
#include "service/message_bus.hpp"
#include "service/objects.hpp"
#include "service/own_successor.hpp"
#include "service/polkit.hpp"
#include "service/stalls.hpp"
#include "service/watchdog.hpp"
#include "zone/zone_manager.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::service {

struct ServiceOptions {
    /// "system", "session" or the address of a bus. Empty: the system bus, or
    /// none where there is none and a socket serves.
    std::string bus;
    std::string listen;           ///< path of a socket; empty: the service manager's, if it passes one
    std::filesystem::path device; ///< the hypervisor has come when this file has
    UniqueFd socket{};            ///< that the service manager passed
    /// What the zones need is kept by the service manager, for a process after this one: it ends
    /// between two instructions.
    bool is_succeeded = false;
    OwnSuccessor* successor = nullptr; ///< who keeps it otherwise
};

/// What the daemon works with. All of it outlives the Service.
struct Foundation {
    hypervisor::LateHypervisor& hypervisor;
    hypervisor::TrapLoop& trap_loop; ///< of that hypervisor
    zone::ZoneManager& zones;        ///< of both
};

/// org.syswonder.hvisor1 on a message bus, on a socket or on both: the objects,
/// kept up to date, and what systemd is told. Lives on the main loop's thread.
class Service {
  public:
    /// Connects and puts all objects on the bus; the name comes with publish(),
    /// and so does whoever connects to the socket.
    [[nodiscard]] static Result<std::unique_ptr<Service>> create(MainLoop& loop, const Foundation& foundation,
                                                                 ServiceOptions options);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;
    ~Service();

    /// Take the name and serve the socket, which lets calls in, and tell systemd
    /// that it may go on.
    [[nodiscard]] Result<void> publish();

    /// Read all configurations of zones again, and tell systemd when that is done.
    void reload();

    /// End in order: what runs is finished and answered, what waits is
    /// refused, then the loop quits.
    void stop();

    /// End in order, and be the next process, which goes on with the zones. Where a service
    /// manager is the one to start that, it says so and does nothing.
    void reexecute();

  private:
    Service(MainLoop& loop, const Foundation& foundation, std::optional<ListeningSocket> socket,
            bool is_succeeded, OwnSuccessor* successor);

    void connect(const std::string& bus);
    [[nodiscard]] Result<void> take_name();
    [[nodiscard]] Result<void> serve_socket();
    [[nodiscard]] std::unique_ptr<Objects> make_objects(sdbus::IConnection& connection, Authority& authority);
    void update_objects(const std::vector<zone::ZoneState>& zones);
    void update();
    void update_soon();
    void look_for_hypervisor();
    void refresh();
    void refresh_definitions();
    void finish();
    static void leave_zones();
    void begin_successor();
    static void warn_of_served_zones(const std::vector<zone::ZoneState>& zones);

    MainLoop& loop_;
    hypervisor::LateHypervisor& hypervisor_;
    hypervisor::TrapLoop& trap_loop_;
    zone::ZoneManager& zones_;
    std::optional<ListeningSocket> listening_; ///< until publish()
    std::optional<MessageBus> bus_;
    std::optional<Polkit> polkit_;   ///< of the bus
    PeerAuthority root_peers_{true}; ///< of the socket
    PeerAuthority other_peers_{false};
    const std::function<void()> look_again_; ///< update_soon(), for what the objects are made with
    std::atomic<bool> update_pending_ = false;
    ControlThread control_; ///< starts and ends zones
    ControlThread files_;   ///< reads and writes configurations
    Jobs jobs_;
    ActionCalls calls_;
    ActionCalls file_calls_;
    PowerOffs power_offs_;
    Actions actions_;
    DeviceActions device_actions_;
    std::unique_ptr<Objects> bus_objects_;
    std::unique_ptr<ControlSocket> socket_;
    KeyStrokes key_strokes_; ///< ends before the connections that its calls have come by
    Stalls stalls_;
    std::unique_ptr<Watchdog> watchdog_;
    std::string status_;
    bool refresh_pending_ = false;
    bool is_stopping_ = false;
    bool is_reexecuting_ = false;
    const bool is_succeeded_;
    OwnSuccessor* const successor_; ///< or null
};

} // namespace hvisor::service
