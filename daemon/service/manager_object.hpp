// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "service/zone_tree.hpp"

#include "manager_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace hvisor::service {

/// The org.syswonder.hvisor1.Manager, and the ObjectManager of all objects.
class ManagerObject final : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Manager_adaptor,
                                                            sdbus::ObjectManager_adaptor> {
  public:
    ManagerObject(const ObjectContext& context, ZoneTree& tree);
    ~ManagerObject();
    ManagerObject(const ManagerObject&) = delete;
    ManagerObject& operator=(const ManagerObject&) = delete;
    ManagerObject(ManagerObject&&) = delete;
    ManagerObject& operator=(ManagerObject&&) = delete;

    /// Tell clients if the hypervisor has come, or why it has not.
    void update();

  private:
    void StartZone(sdbus::Result<Dictionary>&& result, std::string name, Dictionary options) override;
    void StartZoneFromConfig(sdbus::Result<Dictionary>&& result, std::string config_name, std::string config,
                             std::string virtio_name, std::string virtio, BusFiles files,
                             Dictionary options) override;
    void DefineZone(sdbus::Result<std::string>&& result, std::string name, sdbus::UnixFd config,
                    Dictionary options) override;
    void CheckZones(sdbus::Result<Dictionary>&& result,
                    std::vector<sdbus::Struct<std::string, std::string>> files, Dictionary options) override;
    void UndefineZone(sdbus::Result<>&& result, std::string name, Dictionary options) override;
    void ConfigureVirtio(sdbus::Result<std::vector<std::uint32_t>>&& result, std::string name,
                         std::string config, BusFiles files, Dictionary options) override;
    void ShutdownZone(sdbus::Result<Dictionary>&& result, std::string name, Dictionary options) override;
    std::vector<Dictionary> ListZones() override;
    void ListConnectors(sdbus::Result<std::vector<Dictionary>>&& result, Dictionary options) override;
    std::string Version() override;
    std::string HypervisorState() override;
    std::string HypervisorReason() override;
    std::uint64_t HypervisorMagic() override;
    std::map<std::string, std::uint64_t> Statistics() override;

    const ObjectContext& context_;
    ZoneTree& tree_;
    hypervisor::LateHypervisor::Presence hypervisor_;
};

} // namespace hvisor::service
