// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/object_context.hpp"
#include "zone/zone_devices.hpp"

#include "device_input_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::service {

/// org.syswonder.hvisor1.Device.Input on the object of a keyboard or pointer.
class InputInterface final : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device::Input_adaptor> {
  public:
    /// Looks at the device now, for what is counted.
    using Sampler = std::function<std::optional<zone::InputState>()>;

    InputInterface(const ObjectContext& context, sdbus::ObjectPath path, zone::InputState state,
                   Sampler sampler);
    ~InputInterface();
    InputInterface(const InputInterface&) = delete;
    InputInterface& operator=(const InputInterface&) = delete;
    InputInterface(InputInterface&&) = delete;
    InputInterface& operator=(InputInterface&&) = delete;

    /// Take the newest state, and tell clients what changed.
    void update(const zone::InputState& state);

  private:
    std::string Model() override;
    std::string Name() override;
    std::vector<std::string> Leds() override;
    std::uint64_t EventsDropped() override;

    zone::InputState state_;
    Sampler sampler_;
};

} // namespace hvisor::service
