// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_devices.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::zone {

/// Zone life cycle; to_string() gives the lowercase word used on D-Bus.
enum class State { defined, starting, running, stopping, stopped, failed };

[[nodiscard]] std::string_view to_string(State state);

/// One zone at one moment.
struct ZoneState {
    std::uint32_t id = 0; ///< also 0 when the file of a defined zone cannot be read
    std::string name;
    State state = State::stopped;
    std::vector<std::uint32_t> cpus;
    unsigned progress = 0; ///< of loading its images, in percent, while it is starting
    bool managed = false;  ///< started through this daemon (the root zone is not)
    std::string reason;    ///< why it is failed, else ""
    /// One sentence on what is probably wrong, also with the file of a defined zone, else "".
    std::string diagnosis;
    std::vector<DeviceState> devices;
};

} // namespace hvisor::zone
