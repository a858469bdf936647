// SPDX-License-Identifier: Apache-2.0
#include "service/device_object.hpp"

#include <tuple>
#include <utility>

namespace hvisor::service {

DeviceObject::DeviceObject(sdbus::ObjectPath path, zone::DeviceState state, Sampler sampler,
                           const ObjectContext& context, std::string zone)
    : AdaptorInterfaces(context.connection, std::move(path)),
      context_(context),
      calls_(*context.calls),
      zone_(std::move(zone)),
      state_(std::move(state)),
      sampler_(std::move(sampler)),
      statistics_(context, getObject().getObjectPath(), [this] { return sample(); }) {
    registerAdaptor();
    if (state_.disk) {
        disk_.emplace(context, calls_, getObject().getObjectPath(), zone_, state_.id, *state_.disk);
    }
    if (state_.link) {
        net_.emplace(context, calls_, getObject().getObjectPath(), zone_, state_.id, *state_.link);
    }
    if (state_.gpu) {
        gpu_.emplace(context, calls_, getObject().getObjectPath(), zone_, state_.id, *state_.gpu,
                     [this] { return sample().gpu; });
    }
    if (state_.input) {
        input_.emplace(context, getObject().getObjectPath(), *state_.input,
                       [this] { return sample().input; });
    }
    if (state_.type == "console") {
        console_.emplace(context, getObject().getObjectPath(), [this] { return sample().ports; });
    }
    announce([this] { emitInterfacesAddedSignal(); });
}

DeviceObject::~DeviceObject() {
    announce([this] { emitInterfacesRemovedSignal(); });
    unregisterAdaptor();
}

bool DeviceObject::is_of(const zone::DeviceState& state) const {
    const auto identity = [](const zone::DeviceState& device) {
        return std::tie(device.id, device.type, device.address, device.length, device.interrupt);
    };
    return identity(state_) == identity(state);
}

void DeviceObject::update(const zone::DeviceState& state) {
    std::vector<sdbus::PropertyName> changed;
    if (state.status != state_.status) {
        changed.emplace_back("Status");
    }
    if (state.backend != state_.backend) {
        changed.emplace_back("Backend");
    }
    if (state.is_stalled != state_.is_stalled) {
        changed.emplace_back("BackendState");
    }
    state_ = state;
    if (disk_ && state.disk) {
        disk_->update(*state.disk);
    }
    if (net_ && state.link) {
        net_->update(*state.link);
    }
    if (gpu_ && state.gpu) {
        gpu_->update(*state.gpu);
    }
    if (input_ && state.input) {
        input_->update(*state.input);
    }
    if (!changed.empty()) {
        announce([&] { getObject().emitPropertiesChangedSignal(INTERFACE_NAME, changed); });
    }
}

void DeviceObject::Detach(sdbus::Result<>&& result, Dictionary options) {
    check_options(options, {"force"});
    authorise(context_.authority, Action::manage_devices, zone_, Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = zone_, device = state_.id,
               force = option<bool>(options, "force", "b").value_or(false)](auto& reply) {
                  actions.detach(zone, device, force, std::move(reply));
              });
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

// Neither is sampled: they are announced when they change, and must not be newer than that.
std::string DeviceObject::BackendState() {
    return state_.is_stalled ? "stalled" : "working";
}

std::uint32_t DeviceObject::Status() {
    return state_.status;
}

std::string DeviceObject::LastRegister() {
    return sample().last_register;
}

} // namespace hvisor::service
