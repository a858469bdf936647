// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "zone/zone_devices.hpp"

#include "device_console_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <functional>
#include <vector>

namespace hvisor::service {

/// org.syswonder.hvisor1.Device.Console on the object of a console.
class ConsoleInterface final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device::Console_adaptor> {
  public:
    /// Looks at the ports now, or as they were last when the device is gone.
    using Sampler = std::function<decltype(zone::DeviceState::ports)()>;

    ConsoleInterface(const ObjectContext& context, sdbus::ObjectPath path, Sampler sampler);
    ~ConsoleInterface();
    ConsoleInterface(const ConsoleInterface&) = delete;
    ConsoleInterface& operator=(const ConsoleInterface&) = delete;
    ConsoleInterface(ConsoleInterface&&) = delete;
    ConsoleInterface& operator=(ConsoleInterface&&) = delete;

  private:
    std::vector<Dictionary> Ports() override;

    Sampler sample_;
};

} // namespace hvisor::service
