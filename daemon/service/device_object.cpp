// SPDX-License-Identifier: Apache-2.0
#include "service/device_object.hpp"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

namespace hvisor::service {

DeviceObject::DeviceObject(sdbus::ObjectPath path, zone::DeviceState state, Sampler sampler,
                           const ObjectContext& context, const std::string& zone)
    : AdaptorInterfaces(context.connection, std::move(path)),
      state_(std::move(state)),
      sampler_(std::move(sampler)) {
    registerAdaptor();
    if (state_.disk) {
        disk_.emplace(context, getObject().getObjectPath(), zone, state_.id, *state_.disk);
    }
    announce([this] { emitInterfacesAddedSignal(); });
}

DeviceObject::~DeviceObject() {
    announce([this] { emitInterfacesRemovedSignal(); });
    unregisterAdaptor();
}

bool DeviceObject::is_of(const zone::DeviceState& state) const {
    const auto identity = [](const zone::DeviceState& device) {
        return std::tie(device.id, device.type, device.address, device.length, device.interrupt,
                        device.backend);
    };
    return identity(state_) == identity(state);
}

void DeviceObject::update(const zone::DeviceState& state) {
    const bool changed = state.status != state_.status;
    state_ = state;
    if (disk_ && state.disk) {
        disk_->update(*state.disk);
    }
    if (changed) {
        announce([this] {
            getObject().emitPropertiesChangedSignal(INTERFACE_NAME, {sdbus::PropertyName("Status")});
        });
    }
}

zone::DeviceState DeviceObject::sample() const {
    return sampler_().value_or(state_);
}

std::string DeviceObject::Id() {
    return state_.id;
}

std::string DeviceObject::Type() {
    return state_.type;
}

std::uint64_t DeviceObject::Address() {
    return state_.address;
}

std::uint64_t DeviceObject::Length() {
    return state_.length;
}

std::uint32_t DeviceObject::Interrupt() {
    return state_.interrupt;
}

std::string DeviceObject::Backend() {
    return state_.backend;
}

// Not sampled: it is announced when it changes, and must not be newer than the announcement.
std::uint32_t DeviceObject::Status() {
    return state_.status;
}

std::string DeviceObject::LastRegister() {
    return sample().last_register;
}

std::uint64_t DeviceObject::Accesses() {
    return sample().accesses;
}

std::vector<Dictionary> DeviceObject::Queues() {
    std::vector<Dictionary> queues;
    for (const auto& queue : sample().queues) {
        const auto& metrics = queue.metrics;
        std::vector<std::uint64_t> latency;
        latency.reserve(metrics.latency.size());
        for (const auto& bucket : metrics.latency) {
            latency.push_back(bucket.get());
        }
        queues.push_back({{"Size", sdbus::Variant(queue.size)},
                          {"Ready", sdbus::Variant(queue.ready)},
                          {"AvailIndex", sdbus::Variant(queue.avail_index)},
                          {"UsedIndex", sdbus::Variant(queue.used_index)},
                          {"Notifications", sdbus::Variant(metrics.notifications.get())},
                          {"Requests", sdbus::Variant(metrics.requests.get())},
                          {"Bytes", sdbus::Variant(metrics.bytes.get())},
                          {"Errors", sdbus::Variant(metrics.errors.get())},
                          {"Interrupts", sdbus::Variant(metrics.interrupts.get())},
                          {"Latency", sdbus::Variant(latency)}});
    }
    return queues;
}

std::vector<Dictionary> DeviceObject::Ports() {
    std::vector<Dictionary> ports;
    for (const auto& port : sample().ports) {
        ports.push_back({{"Name", sdbus::Variant(port.name)},
                         {"Console", sdbus::Variant(port.is_console)},
                         {"Terminal", sdbus::Variant(port.terminal)},
                         {"Columns", sdbus::Variant(port.columns)},
                         {"Rows", sdbus::Variant(port.rows)},
                         {"Open", sdbus::Variant(port.guest_open)},
                         {"Clients", sdbus::Variant(static_cast<std::uint32_t>(port.clients))},
                         {"HasInput", sdbus::Variant(port.has_typist)}});
    }
    return ports;
}

std::uint64_t DeviceObject::UnacknowledgedUSec() {
    const auto age = sample().unacknowledged;
    if (!age) {
        return 0;
    }
    const auto microseconds = std::chrono::microseconds(*age).count();
    return static_cast<std::uint64_t>(std::max<decltype(microseconds)>(microseconds, 1));
}

std::uint64_t DeviceObject::InterruptsSent() {
    return sample().interrupts_sent;
}

std::uint64_t DeviceObject::InterruptsRepeated() {
    return sample().interrupts_repeated;
}

} // namespace hvisor::service
