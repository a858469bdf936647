// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "service/actions.hpp"
#include "service/control_thread.hpp"
#include "service/main_loop.hpp"
#include "service/manager_object.hpp"
#include "service/zone_tree.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

namespace hvisor::service {

struct ServiceOptions {
    std::string bus = "system";         ///< "system", "session" or the address of a bus
    std::uint64_t hypervisor_magic = 0; ///< what Manager.HypervisorMagic says
};

/// org.syswonder.hvisor1 on a message bus: the objects, kept up to date, and
/// what systemd is told. Lives on the main loop's thread.
class Service {
  public:
    /// Connects and puts all objects on the bus; the name comes with publish().
    [[nodiscard]] static Result<std::unique_ptr<Service>> create(MainLoop& loop, zone::ZoneManager& zones,
                                                                 const ServiceOptions& options);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;
    ~Service();

    /// Take the name, which lets calls in, and tell systemd that it may go on.
    [[nodiscard]] Result<void> publish();

    /// End in order: what runs is finished and answered, what waits is
    /// refused, then the loop quits.
    void stop();

  private:
    Service(MainLoop& loop, zone::ZoneManager& zones, std::unique_ptr<sdbus::IConnection> connection,
            const ServiceOptions& options);

    void update();
    void update_soon();
    void refresh();
    void warn_of_served_zones() const;

    MainLoop& loop_;
    zone::ZoneManager& zones_;
    std::unique_ptr<sdbus::IConnection> connection_;
    ControlThread control_;
    Actions actions_;
    ZoneTree tree_;
    ManagerObject manager_;
    std::string status_;
    std::atomic<bool> update_pending_ = false;
    bool refresh_pending_ = false;
    bool is_stopping_ = false;
};

} // namespace hvisor::service
