// SPDX-License-Identifier: Apache-2.0
#include "service/disk_interface.hpp"

#include <utility>

namespace hvisor::service {

DiskInterface::DiskInterface(sdbus::IConnection& connection, sdbus::ObjectPath path, Actions& actions,
                             std::string zone, std::string device, zone::DiskState state)
    : AdaptorInterfaces(connection, std::move(path)),
      actions_(actions),
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
    actions_.resize_disk(zone_, device_, size, std::move(result));
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
