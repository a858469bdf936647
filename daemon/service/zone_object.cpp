// SPDX-License-Identifier: Apache-2.0
#include "service/zone_object.hpp"

#include "service/object_path.hpp"

#include <algorithm>
#include <format>
#include <limits>
#include <utility>

namespace hvisor::service {

ZoneObject::ZoneObject(const ObjectContext& context, sdbus::ObjectPath path, zone::ZoneState state)
    : AdaptorInterfaces(context.connection, std::move(path)), context_(context), state_(std::move(state)) {
    registerAdaptor();
    announce([this] { emitInterfacesAddedSignal(); });
    update_devices();
}

ZoneObject::~ZoneObject() {
    devices_.clear();
    announce([this] { emitInterfacesRemovedSignal(); });
    unregisterAdaptor();
}

bool ZoneObject::is_of(const zone::ZoneState& state) const {
    return state_.id == state.id && state_.name == state.name;
}

void ZoneObject::update(zone::ZoneState state) {
    std::vector<sdbus::PropertyName> changed;
    const auto note = [&](const char* name, bool differs) {
        if (differs) {
            changed.emplace_back(name);
        }
    };
    note("State", state.state != state_.state);
    note("Cpus", state.cpus != state_.cpus);
    note("Progress", state.progress != state_.progress);
    note("Managed", state.managed != state_.managed);
    note("Reason", state.reason != state_.reason);
    note("Diagnosis", state.diagnosis != state_.diagnosis);
    state_ = std::move(state);
    update_devices();
    if (!changed.empty()) {
        announce([&] { getObject().emitPropertiesChangedSignal(INTERFACE_NAME, changed); });
    }
}

void ZoneObject::update_devices() {
    std::erase_if(devices_, [&](const auto& entry) {
        return std::ranges::none_of(
            state_.devices, [&](const zone::DeviceState& device) { return entry.second->is_of(device); });
    });
    for (const zone::DeviceState& device : state_.devices) {
        auto& object = devices_[device.id];
        if (object) {
            object->update(device);
            continue;
        }
        object = std::make_unique<DeviceObject>(
            context_.connection, device_path(getObject().getObjectPath(), device.id), device,
            [this, id = device.id] { return context_.sample(state_.id, id); }, context_.actions, state_.name);
    }
}

void ZoneObject::Shutdown(sdbus::Result<>&& result, Dictionary options) {
    check_options(options, {});
    context_.actions.shutdown(state_.name, std::move(result));
}

std::tuple<sdbus::UnixFd, Dictionary> ZoneObject::OpenConsole(const std::string& device,
                                                              const Dictionary& options) {
    check_options(options, {"port", "replay", "read-only", "force"});
    const auto replay = option<std::uint64_t>(options, "replay", "t");
    zone::ConsoleAttach attach;
    attach.port = option<std::string>(options, "port", "s").value_or("");
    attach.force = option<bool>(options, "force", "b").value_or(false);
    attach.read_only = option<bool>(options, "read-only", "b").value_or(false);
    attach.replay = std::min<std::uint64_t>(replay.value_or(SIZE_MAX), SIZE_MAX);
    UniqueFd stream = value_or_throw(devices()->open_console(device, attach));

    std::string opened = device;
    if (const auto first = std::ranges::find(state_.devices, "console", &zone::DeviceState::type);
        opened.empty() && first != state_.devices.end()) {
        opened = first->id;
    }
    return {sdbus::UnixFd(stream.release(), sdbus::adopt_fd), {{"Device", sdbus::Variant(opened)}}};
}

void ZoneObject::ResizeConsole(const std::string& device, const std::uint16_t& columns,
                               const std::uint16_t& rows, const Dictionary& options) {
    check_options(options, {"port"});
    if (columns == 0 || rows == 0) {
        throw invalid_arguments(
            std::format("a window of {} columns and {} rows; expected 1 or more of each", columns, rows));
    }
    const auto port = option<std::string>(options, "port", "s").value_or("");
    value_or_throw(devices()->resize_console(device, port, {.columns = columns, .rows = rows}));
}

std::shared_ptr<zone::ZoneDevices> ZoneObject::devices() const {
    return value_or_throw(context_.zones.devices(state_.name));
}

std::string ZoneObject::Name() {
    return state_.name;
}

std::uint32_t ZoneObject::Id() {
    return state_.id;
}

std::string ZoneObject::State() {
    return std::string(zone::to_string(state_.state));
}

std::vector<std::uint32_t> ZoneObject::Cpus() {
    return state_.cpus;
}

std::uint32_t ZoneObject::Progress() {
    return state_.progress;
}

bool ZoneObject::Managed() {
    return state_.managed;
}

std::string ZoneObject::Reason() {
    return state_.reason;
}

std::string ZoneObject::Diagnosis() {
    return state_.diagnosis;
}

} // namespace hvisor::service
