// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/actions.hpp"
#include "service/authority.hpp"
#include "service/device_actions.hpp"
#include "service/jobs.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>

namespace hvisor::service {

/// What the objects of a connection work with. All of it outlives them.
struct ObjectContext {
    sdbus::IConnection& connection;
    Authority& authority; ///< of who calls on this connection
    zone::ZoneManager& zones;
    Actions& actions;
    DeviceActions& device_actions;
    Jobs& jobs;
    std::uint64_t hypervisor_magic = 0; ///< what Manager.HypervisorMagic says
};

} // namespace hvisor::service
