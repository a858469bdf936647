// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "service/reply.hpp"
#include "zone/zone_devices.hpp"

#include "device_gpu_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::service {

/// org.syswonder.hvisor1.Device.Gpu on the object of a GPU device.
class GpuInterface final : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device::Gpu_adaptor> {
  public:
    /// Looks at the device now, for what is counted.
    using Sampler = std::function<std::optional<zone::GpuState>()>;

    /// `calls` are of the object at that path.
    GpuInterface(const ObjectContext& context, OpenCalls& calls, sdbus::ObjectPath path, std::string zone,
                 std::string device, zone::GpuState state, Sampler sampler);
    ~GpuInterface();
    GpuInterface(const GpuInterface&) = delete;
    GpuInterface& operator=(const GpuInterface&) = delete;
    GpuInterface(GpuInterface&&) = delete;
    GpuInterface& operator=(GpuInterface&&) = delete;

    /// Take the newest state, and tell clients what changed.
    void update(const zone::GpuState& state);

  private:
    using Display = sdbus::Struct<std::string, bool, bool, std::uint32_t, std::uint32_t, std::uint32_t>;
    using Viewing = sdbus::Struct<std::string, std::uint32_t>;
    using FrameCounts = sdbus::Struct<std::uint64_t, std::uint32_t>;

    void Screenshot(sdbus::Result<sdbus::UnixFd, Dictionary>&& result, std::uint32_t display,
                    Dictionary options) override;
    void Resize(sdbus::Result<>&& result, std::uint32_t display, std::uint32_t width, std::uint32_t height,
                Dictionary options) override;
    std::vector<Display> Displays() override;
    std::vector<FrameCounts> Frames() override;
    std::vector<Viewing> Viewers() override;
    std::uint64_t MemoryUsed() override;
    std::uint64_t MemoryLimit() override;
    std::string Renderer() override;

    [[nodiscard]] zone::GpuState sample() const;

    const ObjectContext& context_;
    OpenCalls& calls_;
    const std::string zone_;
    const std::string device_;
    zone::GpuState state_;
    Sampler sampler_;
};

} // namespace hvisor::service
