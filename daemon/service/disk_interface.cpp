// SPDX-License-Identifier: Apache-2.0
#include "service/disk_interface.hpp"

#include <utility>

namespace hvisor::service {

DiskInterface::DiskInterface(const ObjectContext& context, OpenCalls& calls, sdbus::ObjectPath path,
                             std::string zone, std::string device, zone::DiskState state)
    : AdaptorInterfaces(context.connection, std::move(path)),
      context_(context),
      calls_(calls),
      zone_(std::move(zone)),
      device_(std::move(device)),
      state_(std::move(state)) {
    registerAdaptor();
}

DiskInterface::~DiskInterface() {
    unregisterAdaptor();
}

void DiskInterface::update(const zone::DiskState& state) {
    const bool changed = state.capacity != state_.capacity;
    state_ = state;
    if (changed) {
        announce([this] {
            getObject().emitPropertiesChangedSignal(INTERFACE_NAME, {sdbus::PropertyName("Size")});
        });
    }
}

void DiskInterface::Resize(sdbus::Result<std::uint64_t>&& result, std::uint64_t size, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::manage_devices, zone_, Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = zone_, device = device_, size](auto& reply) {
                  actions.resize_disk(zone, device, size, std::move(reply));
              });
}

void DiskInterface::SwapImage(sdbus::Result<std::uint64_t>&& result, std::string path, sdbus::UnixFd image,
                              Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::manage_devices, zone_, Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = zone_, device = device_, path = std::move(path),
               image = std::move(image)](auto& reply) mutable {
                  actions.swap_image(zone, device, std::move(path), std::move(image), std::move(reply));
              });
}

std::uint64_t DiskInterface::Size() {
    return state_.capacity;
}

bool DiskInterface::ReadOnly() {
    return state_.read_only;
}

std::string DiskInterface::Serial() {
    return state_.serial;
}

} // namespace hvisor::service
