// SPDX-License-Identifier: Apache-2.0
#include "service/manager_object.hpp"

#include "service/object_path.hpp"

#include <ranges>
#include <utility>

namespace hvisor::service {

ManagerObject::ManagerObject(const ObjectContext& context, ZoneTree& tree)
    : AdaptorInterfaces(context.connection, manager_path()),
      context_(context),
      tree_(tree),
      hypervisor_(context.hypervisor.presence()) {
    registerAdaptor();
}

ManagerObject::~ManagerObject() {
    unregisterAdaptor();
}

void ManagerObject::update() {
    auto now = context_.hypervisor.presence();
    std::vector<sdbus::PropertyName> changed;
    const auto note = [&](const char* name, bool differs) {
        if (differs) {
            changed.emplace_back(name);
        }
    };
    note("HypervisorState", now.is_attached != hypervisor_.is_attached);
    note("HypervisorReason", now.reason != hypervisor_.reason);
    note("HypervisorMagic", now.magic != hypervisor_.magic);
    hypervisor_ = std::move(now);
    if (!changed.empty()) {
        announce([&] {
            getObject().emitPropertiesChangedSignal(org::syswonder::hvisor1::Manager_adaptor::INTERFACE_NAME,
                                                    changed);
        });
    }
}

void ManagerObject::StartZone(sdbus::Result<Dictionary>&& result, std::string name, Dictionary options) {
    check_options(options, {"wait"});
    authorise(context_.authority, Action::start_zone, name, Reply(std::move(result), context_.calls->open()),
              [&actions = context_.actions, name, waits = waits(options)](auto& reply) {
                  actions.start_configured(name, waits, std::move(reply));
              });
}

void ManagerObject::StartZoneFromConfig(sdbus::Result<Dictionary>&& result, std::string config_name,
                                        std::string config, std::string virtio_name, std::string virtio,
                                        BusFiles files, Dictionary options) {
    check_options(options, {"wait"});
    authorise(
        context_.authority, Action::manage_zones, "", Reply(std::move(result), context_.calls->open()),
        [&actions = context_.actions, zone = zone::ConfigText{std::move(config_name), std::move(config)},
         devices = zone::ConfigText{std::move(virtio_name), std::move(virtio)}, files = std::move(files),
         waits = waits(options)](auto& reply) mutable {
            actions.start(std::move(zone), std::move(devices), std::move(files), waits, std::move(reply));
        });
}

void ManagerObject::DefineZone(sdbus::Result<std::string>&& result, std::string name, sdbus::UnixFd config,
                               Dictionary options) {
    check_options(options, {"runtime", "replace"});
    const zone::StoreOptions how{.runtime = option<bool>(options, "runtime", "b").value_or(false),
                                 .replace = option<bool>(options, "replace", "b").value_or(false)};
    authorise(context_.authority, Action::define_zones, name,
              Reply(std::move(result), context_.calls->open()),
              [&actions = context_.actions, name, config = std::move(config), how](auto& reply) mutable {
                  actions.define(name, std::move(config), how, std::move(reply));
              });
}

// Reading is open to everybody, and nothing that the texts name is opened.
void ManagerObject::CheckZones(sdbus::Result<Dictionary>&& result,
                               std::vector<sdbus::Struct<std::string, std::string>> files,
                               Dictionary options) {
    check_options(options, {"folder"});
    std::vector<zone::ConfigText> texts;
    texts.reserve(files.size());
    for (auto& file : files) {
        texts.push_back({std::move(std::get<0>(file)), std::move(std::get<1>(file))});
    }
    context_.actions.check(std::move(texts), option<std::string>(options, "folder", "s").value_or(""),
                           Reply(std::move(result), context_.calls->open()));
}

void ManagerObject::UndefineZone(sdbus::Result<>&& result, std::string name, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::define_zones, name,
              Reply(std::move(result), context_.calls->open()),
              [&actions = context_.actions, name](auto& reply) { actions.undefine(name, std::move(reply)); });
}

void ManagerObject::ConfigureVirtio(sdbus::Result<std::vector<std::uint32_t>>&& result, std::string name,
                                    std::string config, BusFiles files, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::manage_zones, "", Reply(std::move(result), context_.calls->open()),
              [&actions = context_.actions, text = zone::ConfigText{std::move(name), std::move(config)},
               files = std::move(files)](auto& reply) mutable {
                  actions.configure_virtio(std::move(text), std::move(files), std::move(reply));
              });
}

void ManagerObject::ShutdownZone(sdbus::Result<Dictionary>&& result, std::string name, Dictionary options) {
    check_options(options, {"timeout-usec", "wait"});
    authorise(
        context_.authority, Action::stop_zone, name, Reply(std::move(result), context_.calls->open()),
        [&actions = context_.actions, name, patience = power_off_patience(options),
         waits = waits(options)](auto& reply) { actions.shutdown(name, patience, waits, std::move(reply)); });
}

std::vector<Dictionary> ManagerObject::ListZones() {
    tree_.update(context_.zones.zones());
    const auto current = tree_.entries();
    std::vector<Dictionary> zones;
    for (const auto& [path, state] : std::views::zip(current.paths, *current.zones)) {
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

// Reading is open to everybody.
void ManagerObject::ListConnectors(sdbus::Result<std::vector<Dictionary>>&& result, Dictionary options) {
    check_options(options, {});
    context_.device_actions.list_connectors(Reply(std::move(result), context_.calls->open()));
}

std::string ManagerObject::Version() {
    return HVISORD_VERSION;
}

std::string ManagerObject::HypervisorState() {
    return hypervisor_.is_attached ? "attached" : "absent";
}

std::string ManagerObject::HypervisorReason() {
    return hypervisor_.reason;
}

std::uint64_t ManagerObject::HypervisorMagic() {
    return hypervisor_.magic;
}

std::map<std::string, std::uint64_t> ManagerObject::Statistics() {
    const auto counts = context_.zones.trap_counts();
    return {{"Requests", counts.requests},     {"UnknownRequests", counts.unknown},
            {"Sleeps", counts.sleeps},         {"MissedWakeups", counts.missed_wakeups},
            {"Interrupts", counts.interrupts}, {"InterruptsDropped", counts.interrupts_dropped}};
}

} // namespace hvisor::service
