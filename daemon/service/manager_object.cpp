// SPDX-License-Identifier: Apache-2.0
#include "service/manager_object.hpp"

#include "service/object_path.hpp"

#include <utility>

namespace hvisor::service {

ManagerObject::ManagerObject(sdbus::IConnection& connection, Actions& actions, ZoneTree& tree,
                             zone::ZoneManager& zones, std::uint64_t hypervisor_magic)
    : AdaptorInterfaces(connection, manager_path()),
      actions_(actions),
      tree_(tree),
      zones_(zones),
      hypervisor_magic_(hypervisor_magic) {
    registerAdaptor();
}

ManagerObject::~ManagerObject() {
    unregisterAdaptor();
}

void ManagerObject::StartZone(sdbus::Result<sdbus::ObjectPath>&& result, std::string name,
                              Dictionary options) {
    check_options(options, {});
    actions_.start_configured(std::move(name), std::move(result));
}

void ManagerObject::StartZoneFromConfig(sdbus::Result<sdbus::ObjectPath>&& result, std::string config_name,
                                        std::string config, std::string virtio_name, std::string virtio,
                                        BusFiles files, Dictionary options) {
    check_options(options, {});
    actions_.start({.name = std::move(config_name), .text = std::move(config)},
                   {.name = std::move(virtio_name), .text = std::move(virtio)}, std::move(files),
                   std::move(result));
}

void ManagerObject::ConfigureVirtio(sdbus::Result<std::vector<std::uint32_t>>&& result, std::string name,
                                    std::string config, BusFiles files, Dictionary options) {
    check_options(options, {});
    actions_.configure_virtio({.name = std::move(name), .text = std::move(config)}, std::move(files),
                              std::move(result));
}

void ManagerObject::ShutdownZone(sdbus::Result<>&& result, std::string name, Dictionary options) {
    check_options(options, {});
    actions_.shutdown(std::move(name), std::move(result));
}

std::vector<Dictionary> ManagerObject::ListZones() {
    tree_.update(zones_.zones());
    std::vector<Dictionary> zones;
    for (const auto& [path, state] : tree_.entries()) {
        zones.push_back({{"Name", sdbus::Variant(state.name)},
                         {"Id", sdbus::Variant(state.id)},
                         {"State", sdbus::Variant(std::string(zone::to_string(state.state)))},
                         {"Cpus", sdbus::Variant(state.cpus)},
                         {"Progress", sdbus::Variant(std::uint32_t{state.progress})},
                         {"Managed", sdbus::Variant(state.managed)},
                         {"Reason", sdbus::Variant(state.reason)},
                         {"Diagnosis", sdbus::Variant(state.diagnosis)},
                         {"Path", sdbus::Variant(path)}});
    }
    return zones;
}

std::string ManagerObject::Version() {
    return HVISORD_VERSION;
}

std::string ManagerObject::HypervisorState() {
    return "attached";
}

std::uint64_t ManagerObject::HypervisorMagic() {
    return hypervisor_magic_;
}

std::map<std::string, std::uint64_t> ManagerObject::Statistics() {
    const auto counts = zones_.trap_counts();
    return {{"Requests", counts.requests},     {"UnknownRequests", counts.unknown},
            {"Sleeps", counts.sleeps},         {"MissedWakeups", counts.missed_wakeups},
            {"Interrupts", counts.interrupts}, {"InterruptsDropped", counts.interrupts_dropped}};
}

} // namespace hvisor::service
