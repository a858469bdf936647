// SPDX-License-Identifier: Apache-2.0
#include "service/zone_object.hpp"

#include "service/action_calls.hpp"
#include "service/object_path.hpp"
#include "zone/zone_inputs.hpp"

#include <algorithm>
#include <format>
#include <limits>
#include <utility>

namespace hvisor::service {
namespace {

/// As many as virsh sends at once, and for how long it holds them.
constexpr std::size_t most_keys = 16;
constexpr std::uint64_t usual_hold = 100'000; // µs
constexpr std::uint64_t longest_hold = 10'000'000;

/// The id of the console that has been opened as `device`, where "" is the first one.
std::string console_id(const zone::ZoneDevices& devices, const std::string& device) {
    const auto all = devices.inspect();
    const auto first = std::ranges::find(all, "console", &zone::DeviceState::type);
    return device.empty() && first != all.end() ? first->id : device;
}

} // namespace

ZoneObject::ZoneObject(const ObjectContext& context, const DeviceSampler& sample, sdbus::ObjectPath path,
                       zone::ZoneState state)
    : AdaptorInterfaces(context.connection, std::move(path)),
      context_(context),
      calls_(*context.calls),
      sample_(sample),
      state_(std::move(state)) {
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

bool ZoneObject::must_stay() {
    // Each of them is asked, so that the last to be answered tells.
    const auto devices =
        std::ranges::count_if(devices_, [](const auto& entry) { return entry.second->must_stay(); });
    return calls_.must_stay() || devices != 0;
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
                   state_.devices,
                   [&](const zone::DeviceState& device) { return entry.second->is_of(device); }) &&
               !entry.second->must_stay();
    });
    for (const zone::DeviceState& device : state_.devices) {
        auto& object = devices_[device.id];
        if (object) {
            // One that had to stay keeps its path until it goes.
            if (object->is_of(device)) {
                object->update(device);
            }
            continue;
        }
        object = std::make_unique<DeviceObject>(
            device_path(getObject().getObjectPath(), device.id), device,
            [this, id = device.id] { return sample_(state_.id, id); }, context_, state_.name);
    }
}

void ZoneObject::Shutdown(sdbus::Result<Dictionary>&& result, Dictionary options) {
    check_options(options, {"timeout-usec", "wait"});
    shut_down(std::move(result), power_off_patience(options), waits(options));
}

void ZoneObject::Kill(sdbus::Result<Dictionary>&& result, Dictionary options) {
    check_options(options, {"wait"});
    shut_down(std::move(result), std::chrono::microseconds(0), waits(options));
}

void ZoneObject::shut_down(sdbus::Result<Dictionary>&& result, std::chrono::microseconds patience,
                           bool waits) {
    authorise(context_.authority, Action::stop_zone, state_.name, Reply(std::move(result), calls_.open()),
              [&actions = context_.actions, name = state_.name, patience, waits](auto& reply) {
                  actions.shutdown(name, patience, waits, std::move(reply));
              });
}

void ZoneObject::Restart(sdbus::Result<Dictionary>&& result, Dictionary options) {
    check_options(options, {"timeout-usec", "wait"});
    authorise(
        context_.authority, Action::start_zone, state_.name, Reply(std::move(result), calls_.open()),
        [&actions = context_.actions, name = state_.name, patience = power_off_patience(options),
         waits = waits(options)](auto& reply) { actions.restart(name, patience, waits, std::move(reply)); });
}

void ZoneObject::AttachDevice(sdbus::Result<sdbus::ObjectPath, Dictionary>&& result, std::string name,
                              std::string config, BusFiles files, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::manage_devices, state_.name,
              Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = state_.name,
               device = zone::ConfigText{.name = std::move(name), .text = std::move(config)},
               files = std::move(files)](auto& reply) mutable {
                  actions.attach(zone, std::move(device), std::move(files), std::move(reply));
              });
}

void ZoneObject::OpenConsole(sdbus::Result<sdbus::UnixFd, Dictionary>&& result, std::string device,
                             Dictionary options) {
    check_options(options, {"port", "replay", "read-only", "force"});
    const auto replay = option<std::uint64_t>(options, "replay", "t");
    zone::ConsoleAttach attach;
    attach.port = option<std::string>(options, "port", "s").value_or("");
    attach.force = option<bool>(options, "force", "b").value_or(false);
    attach.read_only = option<bool>(options, "read-only", "b").value_or(false);
    attach.replay = std::min<std::uint64_t>(replay.value_or(SIZE_MAX), SIZE_MAX);
    authorise(context_.authority, Action::open_console, state_.name, Reply(std::move(result), calls_.open()),
              [&zones = context_.zones, name = state_.name, device = std::move(device),
               attach = std::move(attach)](auto& reply) {
                  const auto devices = value_or_throw(zones.devices(name));
                  UniqueFd stream = value_or_throw(devices->open_console(device, attach));
                  reply.returnResults(sdbus::UnixFd(stream.release(), sdbus::adopt_fd),
                                      Dictionary{{"Device", sdbus::Variant(console_id(*devices, device))}});
              });
}

void ZoneObject::ResizeConsole(sdbus::Result<>&& result, std::string device, std::uint16_t columns,
                               std::uint16_t rows, Dictionary options) {
    check_options(options, {"port"});
    if (columns == 0 || rows == 0) {
        throw invalid_arguments(
            std::format("a window of {} columns and {} rows; expected 1 or more of each", columns, rows));
    }
    authorise(context_.authority, Action::open_console, state_.name, Reply(std::move(result), calls_.open()),
              [&zones = context_.zones, name = state_.name, device = std::move(device),
               port = option<std::string>(options, "port", "s").value_or(""), columns, rows](auto& reply) {
                  const auto devices = value_or_throw(zones.devices(name));
                  value_or_throw(devices->resize_console(device, port, {.columns = columns, .rows = rows}));
                  reply.returnResults();
              });
}

void ZoneObject::SendKeys(sdbus::Result<>&& result, std::vector<std::uint16_t> keys, Dictionary options) {
    check_options(options, {"hold-usec"});
    const auto hold = option<std::uint64_t>(options, "hold-usec", "t").value_or(usual_hold);
    if (keys.empty() || keys.size() > most_keys) {
        throw invalid_arguments(std::format("{} keys; expected 1 to {}", keys.size(), most_keys));
    }
    if (hold > longest_hold) {
        throw invalid_arguments(
            std::format("keys that stay down for {} µs; expected at most {}", hold, longest_hold));
    }
    authorise(context_.authority, Action::open_console, state_.name, Reply(std::move(result), calls_.open()),
              [&zones = context_.zones, &strokes = context_.key_strokes, name = state_.name,
               keys = std::move(keys), hold = std::chrono::microseconds(hold)](auto& reply) mutable {
                  const auto devices = value_or_throw(zones.devices(name));
                  auto shared = std::make_shared<Reply<>>(std::move(reply));
                  auto typed = strokes.type(devices->inputs(), std::move(keys), hold,
                                            [shared] { send<void>({}, *shared); });
                  if (!typed) {
                      send<void>(typed, *shared);
                  }
              });
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
