// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/actions.hpp"
#include "service/bus_values.hpp"
#include "service/device_object.hpp"
#include "zone/zone_manager.hpp"

#include "zone_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace hvisor::service {

/// What the objects work with; outlives them all.
struct ObjectContext {
    sdbus::IConnection& connection;
    zone::ZoneManager& zones;
    Actions& actions;
    /// A device of a zone as it is now, at most a tenth of a second old.
    std::function<std::optional<zone::DeviceState>(std::uint32_t zone, const std::string& device)> sample;
};

/// One org.syswonder.hvisor1.Zone, and the Device objects below it.
class ZoneObject final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Zone_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    ZoneObject(const ObjectContext& context, sdbus::ObjectPath path, zone::ZoneState state);
    ~ZoneObject();
    ZoneObject(const ZoneObject&) = delete;
    ZoneObject& operator=(const ZoneObject&) = delete;
    ZoneObject(ZoneObject&&) = delete;
    ZoneObject& operator=(ZoneObject&&) = delete;

    /// Whether `state` is of the same zone, not of one that took its path.
    [[nodiscard]] bool is_of(const zone::ZoneState& state) const;

    /// Take the newest state, and tell clients what changed.
    void update(zone::ZoneState state);

  private:
    void Shutdown(sdbus::Result<>&& result, Dictionary options) override;
    std::tuple<sdbus::UnixFd, Dictionary> OpenConsole(const std::string& device,
                                                      const Dictionary& options) override;
    void ResizeConsole(const std::string& device, const std::uint16_t& columns, const std::uint16_t& rows,
                       const Dictionary& options) override;
    std::string Name() override;
    std::uint32_t Id() override;
    std::string State() override;
    std::vector<std::uint32_t> Cpus() override;
    std::uint32_t Progress() override;
    bool Managed() override;
    std::string Reason() override;
    std::string Diagnosis() override;

    void update_devices();
    /// Throws what a caller should read when there are none.
    [[nodiscard]] std::shared_ptr<zone::ZoneDevices> devices() const;

    const ObjectContext& context_;
    zone::ZoneState state_;
    std::map<std::string, std::unique_ptr<DeviceObject>> devices_;
};

} // namespace hvisor::service
