// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/device_object.hpp"
#include "service/object_context.hpp"
#include "service/reply.hpp"
#include "zone/zone_manager.hpp"

#include "zone_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::service {

/// A device of a zone as it is now, at most a tenth of a second old.
using DeviceSampler =
    std::function<std::optional<zone::DeviceState>(std::uint32_t zone, const std::string& device)>;

/// One org.syswonder.hvisor1.Zone, and the Device objects below it.
class ZoneObject final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Zone_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    ZoneObject(const ObjectContext& context, const DeviceSampler& sample, sdbus::ObjectPath path,
               zone::ZoneState state);
    ~ZoneObject();
    ZoneObject(const ZoneObject&) = delete;
    ZoneObject& operator=(const ZoneObject&) = delete;
    ZoneObject(ZoneObject&&) = delete;
    ZoneObject& operator=(ZoneObject&&) = delete;

    /// Whether `state` is of the same zone, not of one that took its path.
    [[nodiscard]] bool is_of(const zone::ZoneState& state) const;

    /// Whether it cannot be removed for now, with its devices; see OpenCalls.
    [[nodiscard]] bool must_stay();

    /// Take the newest state, and tell clients what changed.
    void update(zone::ZoneState state);

  private:
    void Shutdown(sdbus::Result<Dictionary>&& result, Dictionary options) override;
    void Kill(sdbus::Result<Dictionary>&& result, Dictionary options) override;
    void Restart(sdbus::Result<Dictionary>&& result, Dictionary options) override;
    void AttachDevice(sdbus::Result<sdbus::ObjectPath, Dictionary>&& result, std::string name,
                      std::string config, BusFiles files, Dictionary options) override;
    void OpenConsole(sdbus::Result<sdbus::UnixFd, Dictionary>&& result, std::string device,
                     Dictionary options) override;
    void ResizeConsole(sdbus::Result<>&& result, std::string device, std::uint16_t columns,
                       std::uint16_t rows, Dictionary options) override;
    void SendKeys(sdbus::Result<>&& result, std::vector<std::uint16_t> keys, Dictionary options) override;
    std::string Name() override;
    std::uint32_t Id() override;
    std::string State() override;
    std::vector<std::uint32_t> Cpus() override;
    std::uint32_t Progress() override;
    bool Managed() override;
    std::string Reason() override;
    std::string Diagnosis() override;

    void shut_down(sdbus::Result<Dictionary>&& result, std::chrono::microseconds patience, bool waits);
    void update_devices();
    const ObjectContext& context_;
    OpenCalls calls_;
    const DeviceSampler& sample_;
    zone::ZoneState state_;
    std::map<std::string, std::unique_ptr<DeviceObject>> devices_;
};

} // namespace hvisor::service
