// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/console_interface.hpp"
#include "service/disk_interface.hpp"
#include "service/gpu_interface.hpp"
#include "service/input_interface.hpp"
#include "service/net_interface.hpp"
#include "service/object_context.hpp"
#include "service/reply.hpp"
#include "service/statistics_interface.hpp"
#include "zone/zone_devices.hpp"

#include "device_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace hvisor::service {

/// One org.syswonder.hvisor1.Device.
class DeviceObject final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    /// Looks at the device now; nothing when it is gone.
    using Sampler = std::function<std::optional<zone::DeviceState>()>;

    DeviceObject(sdbus::ObjectPath path, zone::DeviceState state, Sampler sampler,
                 const ObjectContext& context, std::string zone);
    ~DeviceObject();
    DeviceObject(const DeviceObject&) = delete;
    DeviceObject& operator=(const DeviceObject&) = delete;
    DeviceObject(DeviceObject&&) = delete;
    DeviceObject& operator=(DeviceObject&&) = delete;

    /// Whether `state` is of the same device, not of one that took its place.
    [[nodiscard]] bool is_of(const zone::DeviceState& state) const;

    /// Whether it cannot be removed for now; see OpenCalls.
    [[nodiscard]] bool must_stay() { return calls_.must_stay(); }

    /// Take the newest state, and tell clients what changed.
    void update(const zone::DeviceState& state);

  private:
    void Detach(sdbus::Result<>&& result, Dictionary options) override;
    std::string Id() override;
    std::string Type() override;
    std::uint64_t Address() override;
    std::uint64_t Length() override;
    std::uint32_t Interrupt() override;
    std::string Backend() override;
    std::string BackendState() override;
    std::uint32_t Status() override;
    std::string LastRegister() override;

    /// The state for properties that are sampled when they are read.
    [[nodiscard]] zone::DeviceState sample() const;

    const ObjectContext& context_;
    OpenCalls calls_;
    const std::string zone_;
    zone::DeviceState state_;
    Sampler sampler_;
    StatisticsInterface statistics_;
    std::optional<ConsoleInterface> console_; ///< of a console
    std::optional<DiskInterface> disk_;       ///< of a block device
    std::optional<NetInterface> net_;         ///< of a network device
    std::optional<GpuInterface> gpu_;         ///< of a GPU device
    std::optional<InputInterface> input_;     ///< of a keyboard or pointer
};

} // namespace hvisor::service
