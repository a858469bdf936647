// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "service/reply.hpp"
#include "zone/zone_devices.hpp"

#include "device_block_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>

namespace hvisor::service {

/// org.syswonder.hvisor1.Device.Block on the object of a disk.
class DiskInterface final : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Device::Block_adaptor> {
  public:
    /// `calls` are of the object at that path.
    DiskInterface(const ObjectContext& context, OpenCalls& calls, sdbus::ObjectPath path, std::string zone,
                  std::string device, zone::DiskState state);
    ~DiskInterface();
    DiskInterface(const DiskInterface&) = delete;
    DiskInterface& operator=(const DiskInterface&) = delete;
    DiskInterface(DiskInterface&&) = delete;
    DiskInterface& operator=(DiskInterface&&) = delete;

    /// Take the newest state, and tell clients what changed.
    void update(const zone::DiskState& state);

  private:
    void Resize(sdbus::Result<std::uint64_t>&& result, std::uint64_t size, Dictionary options) override;
    void SwapImage(sdbus::Result<std::uint64_t>&& result, std::string path, sdbus::UnixFd image,
                   Dictionary options) override;
    std::uint64_t Size() override;
    bool ReadOnly() override;
    std::string Serial() override;

    const ObjectContext& context_;
    OpenCalls& calls_;
    const std::string zone_;
    const std::string device_;
    zone::DiskState state_;
};

} // namespace hvisor::service
