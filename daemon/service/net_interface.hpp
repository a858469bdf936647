// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "service/reply.hpp"
#include "zone/zone_devices.hpp"

#include "device_net_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>

namespace hvisor::service {

/// org.syswonder.hvisor1.Device.Net on the object of a network device.
class NetInterface final : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device::Net_adaptor> {
  public:
    /// `calls` are of the object at that path.
    NetInterface(const ObjectContext& context, OpenCalls& calls, sdbus::ObjectPath path, std::string zone,
                 std::string device, zone::LinkState state);
    ~NetInterface();
    NetInterface(const NetInterface&) = delete;
    NetInterface& operator=(const NetInterface&) = delete;
    NetInterface(NetInterface&&) = delete;
    NetInterface& operator=(NetInterface&&) = delete;

    /// Take the newest state, and tell clients what changed.
    void update(const zone::LinkState& state);

  private:
    void SetLink(sdbus::Result<>&& result, bool plugged, Dictionary options) override;
    bool Plugged() override;
    bool LinkUp() override;
    std::string Mac() override;
    std::uint16_t Mtu() override;

    const ObjectContext& context_;
    OpenCalls& calls_;
    const std::string zone_;
    const std::string device_;
    zone::LinkState state_;
};

} // namespace hvisor::service
