// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "zone/zone_devices.hpp"

#include "device_statistics_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace hvisor::service {

/// org.syswonder.hvisor1.Device.Statistics on the object of any device.
class StatisticsInterface final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device::Statistics_adaptor> {
  public:
    /// Looks at the device now, or as it was last when it is gone.
    using Sampler = std::function<zone::DeviceState()>;

    StatisticsInterface(const ObjectContext& context, sdbus::ObjectPath path, Sampler sampler);
    ~StatisticsInterface();
    StatisticsInterface(const StatisticsInterface&) = delete;
    StatisticsInterface& operator=(const StatisticsInterface&) = delete;
    StatisticsInterface(StatisticsInterface&&) = delete;
    StatisticsInterface& operator=(StatisticsInterface&&) = delete;

  private:
    std::uint64_t Accesses() override;
    std::vector<Dictionary> Queues() override;
    std::uint64_t UnacknowledgedUSec() override;
    std::uint64_t InterruptsSent() override;
    std::uint64_t InterruptsRepeated() override;

    Sampler sample_;
};

} // namespace hvisor::service
