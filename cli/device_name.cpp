// SPDX-License-Identifier: Apache-2.0
#include "device_name.hpp"

#include <CLI/CLI.hpp>

namespace hvisor::cli {

std::shared_ptr<DeviceName> add_device_name(CLI::App& verb, const char* what) {
    auto name = std::make_shared<DeviceName>();
    verb.add_option("zone", name->zone, "Name or number of the zone")->type_name("ZONE")->required();
    verb.add_option("device", name->device, what)->type_name("DEVICE")->required();
    return name;
}

Outcome<Object> find_device(Client& client, const DeviceName& name) {
    const auto zone = zone_objects(client, name.zone);
    if (!zone) {
        return std::unexpected(zone.error());
    }
    return device_object(*zone, name.device);
}

} // namespace hvisor::cli
