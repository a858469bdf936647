// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/check_fit.hpp"
#include "zone/config_watch.hpp"
#include "zone/defined_zones.hpp"
#include "zone/read_virtio_device.hpp"
#include "zone/restarts.hpp"
#include "zone/zone.hpp"
#include "zone/zone_file.hpp"
#include "zone/zone_manager.hpp"
#include "zone/zone_plan.hpp"
#include "zone/zone_record.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::zone {

/// A zone that ends so that it can begin again.
[[nodiscard]] inline Afterwards being_restarted() {
    return {.state = State::starting, .reason = "it is being restarted"};
}

/// Starting is in zone_manager_start.cpp, going on after another process in zone_manager_resume.cpp, files in
/// zone_manager_files.cpp, taking over what runs already in zone_manager_adopt.cpp, changing devices in
/// zone_manager_devices.cpp.
struct ZoneManager::Impl {
    using Zones = std::map<std::string, std::shared_ptr<Zone>>;

    /// What a running zone was started from.
    struct Origin {
        std::string configured; ///< the name of its configuration, "" when a caller has passed it
        Restarts::Run run;
    };

    Impl(hypervisor::Hypervisor& hypervisor_, hypervisor::TrapLoop& trap_loop_,
         std::vector<std::filesystem::path> dirs, std::filesystem::path tree, FdStore* given_store)
        : hypervisor(hypervisor_),
          trap_loop(trap_loop_),
          store(given_store != nullptr ? *given_store : no_store),
          config_dirs(std::move(dirs)),
          device_tree(std::move(tree)),
          watch(config_dirs, store),
          definitions(config_dirs),
          defined(definitions.zones()) {}

    bool observe(const std::vector<hypervisor::ZoneInfo>& list);
    Machine machine(std::vector<hypervisor::ZoneInfo> list);
    Result<Surroundings> surroundings();
    Result<Restarts::Run> read(Result<JsonDocument> document, const ConfigText& virtio, FileTable files);
    Result<Restarts::Run> read_configured(const std::string& name);
    Result<std::string> start(Restarts::Run run, const std::string& configured, const StartControl& how,
                              const std::shared_ptr<Zone>& on_failure = nullptr);
    Result<Restarts::Run> read_again(const Zone& zone);
    bool await_restarts();
    bool restart_due();
    Result<std::shared_ptr<Zone>> running(const std::string& name);
    void check_others(const DeviceFile& file, Problems& problems);
    Result<void> shutdown_foreign(const std::string& name);
    void notify();
    Zones zones_now();
    std::shared_ptr<const VirtioSource> remembered_for(std::uint32_t id);
    std::shared_ptr<Zone> replace(const std::string& name, const std::shared_ptr<Zone>& zone);
    bool has_devices_of(std::uint32_t id);
    void forget(const std::string& name);
    void forget_ended();
    bool is_defined(const std::string& name);
    bool refresh_defined();
    Result<std::vector<std::shared_ptr<Zone>>> adopt_running(const VirtioSource& virtio);
    [[nodiscard]] Zone::World world() {
        return {.hypervisor = hypervisor, .trap_loop = trap_loop, .store = store};
    }
    ZoneOrigin origin_of(const Restarts::Run& run, const std::string& configured);
    ZoneOrigin origin_of(const VirtioSource& virtio);
    FileTable kept_files(const ZoneRecord& record);
    Result<std::optional<Restarts::Run>> read_kept(const ZoneRecord& record);
    void resume_ended(const ZoneRecord& record, const std::string& name);
    void wait_again(const ZoneRecord& record, const std::string& name, Restarts::Run run);
    Result<void> resume(const ZoneRecord& record, const std::string& name);
    void drop(const ZoneRecord& record, const std::string& name);
    Result<std::vector<DeviceSettings>> kept_devices(const ZoneRecord& record, const VirtioSource* virtio,
                                                     std::vector<VirtioDevice>& described);

    hypervisor::Hypervisor& hypervisor;
    hypervisor::TrapLoop& trap_loop;
    FdStore no_store; ///< keeps nothing
    FdStore& store;
    const std::vector<std::filesystem::path> config_dirs;
    const std::filesystem::path device_tree;

    /// Held while a zone starts or shuts down: one after the other.
    std::mutex control;
    std::vector<hypervisor::ZoneInfo> seen; ///< the hypervisor's list at the last refresh; under `control`
    Restarts restarts;                      ///< under `control`
    std::map<std::string, Origin> origins;  ///< of the zones that run; under `control`

    /// Held while a configuration is written or removed: nothing that runs is waited for.
    std::mutex storing;

    /// Under `reading`: the files are read while a zone starts, too.
    std::mutex reading;
    ConfigWatch watch; ///< from before they are read first
    DefinedZones definitions;

    /// Held for a moment only, never while anything is called.
    std::mutex lock;
    Zones zones;
    std::vector<DefinedZone> defined; ///< what `definitions` said last
    std::map<std::uint32_t, std::shared_ptr<const VirtioSource>> remembered;
    std::shared_ptr<const std::function<void()>> changed;
};

} // namespace hvisor::zone
