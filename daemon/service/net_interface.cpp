// SPDX-License-Identifier: Apache-2.0
#include "service/net_interface.hpp"

#include <format>
#include <utility>
#include <vector>

namespace hvisor::service {

NetInterface::NetInterface(const ObjectContext& context, OpenCalls& calls, sdbus::ObjectPath path,
                           std::string zone, std::string device, zone::LinkState state)
    : AdaptorInterfaces(context.connection, std::move(path)),
      context_(context),
      calls_(calls),
      zone_(std::move(zone)),
      device_(std::move(device)),
      state_(state) {
    registerAdaptor();
}

NetInterface::~NetInterface() {
    unregisterAdaptor();
}

void NetInterface::update(const zone::LinkState& state) {
    std::vector<sdbus::PropertyName> changed;
    if (state.is_plugged != state_.is_plugged) {
        changed.emplace_back("Plugged");
    }
    if (state.is_up != state_.is_up) {
        changed.emplace_back("LinkUp");
    }
    state_ = state;
    if (!changed.empty()) {
        announce([&] { getObject().emitPropertiesChangedSignal(INTERFACE_NAME, changed); });
    }
}

void NetInterface::SetLink(sdbus::Result<>&& result, bool plugged, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, Action::manage_devices, zone_, Reply(std::move(result), calls_.open()),
              [&actions = context_.device_actions, zone = zone_, device = device_, plugged](auto& reply) {
                  actions.set_link(zone, device, plugged, std::move(reply));
              });
}

bool NetInterface::Plugged() {
    return state_.is_plugged;
}

bool NetInterface::LinkUp() {
    return state_.is_up;
}

std::string NetInterface::Mac() {
    const auto& mac = state_.mac;
    return std::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                       mac[5]);
}

std::uint16_t NetInterface::Mtu() {
    return state_.mtu;
}

} // namespace hvisor::service
