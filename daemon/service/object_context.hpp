// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/late_hypervisor.hpp"
#include "service/actions.hpp"
#include "service/authority.hpp"
#include "service/device_actions.hpp"
#include "service/jobs.hpp"
#include "service/key_strokes.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <functional>

namespace hvisor::service {

/// What the objects of a connection work with. All of it outlives them.
struct ObjectContext {
    sdbus::IConnection& connection;
    Authority& authority; ///< of who calls on this connection
    zone::ZoneManager& zones;
    Actions& actions;
    DeviceActions& device_actions;
    Jobs& jobs;
    KeyStrokes& key_strokes;
    const hypervisor::LateHypervisor& hypervisor;
    const std::function<void()>& update_soon; ///< brings them up to date, but not at once
};

} // namespace hvisor::service
