// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>

namespace hvisor::service {

/// /org/syswonder/hvisor1
[[nodiscard]] const sdbus::ObjectPath& manager_path();

/// /org/freedesktop/LogControl1
[[nodiscard]] const sdbus::ObjectPath& log_control_path();

/// /org/syswonder/hvisor1/zone/NAME, NAME escaped as sd_bus_path_encode(3) does it.
[[nodiscard]] sdbus::ObjectPath zone_path(const std::string& name);

/// /org/syswonder/hvisor1/job/ID
[[nodiscard]] sdbus::ObjectPath job_path(std::uint32_t id);

/// ZONE/device/ID, ID escaped likewise.
[[nodiscard]] sdbus::ObjectPath device_path(const sdbus::ObjectPath& zone, const std::string& id);

} // namespace hvisor::service
