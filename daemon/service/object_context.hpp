// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/late_hypervisor.hpp"
#include "service/actions.hpp"
#include "service/authority.hpp"
#include "service/device_actions.hpp"
#include "service/jobs.hpp"
#include "service/key_strokes.hpp"
#include "service/reply.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <memory>

namespace hvisor::service {

/// What the objects of a connection work with. All that is referred to outlives them.
struct ObjectContext {
    sdbus::IConnection& connection;
    Authority& authority; ///< of who calls on this connection
    zone::ZoneManager& zones;
    Actions& actions;
    DeviceActions& device_actions;
    Jobs& jobs;
    KeyStrokes& key_strokes;
    const hypervisor::LateHypervisor& hypervisor;
    std::shared_ptr<OpenCalls> calls; ///< of the connection
};

} // namespace hvisor::service
