// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_manager.hpp"

#include "base/log.hpp"
#include "zone/check_machine.hpp"
#include "zone/config_files.hpp"
#include "zone/reserved_memory.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone.hpp"
#include "zone/zone_file.hpp"
#include "zone/zone_plan.hpp"

#include <algorithm>
#include <bit>
#include <format>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

namespace hvisor::zone {

struct ZoneManager::Impl {
    using Zones = std::map<std::string, std::shared_ptr<Zone>>;

    Impl(hypervisor::Hypervisor& hypervisor_, hypervisor::TrapLoop& trap_loop_,
         std::vector<std::filesystem::path> dirs, std::filesystem::path tree)
        : hypervisor(hypervisor_),
          trap_loop(trap_loop_),
          config_dirs(std::move(dirs)),
          device_tree(std::move(tree)) {}

    bool observe(const std::vector<hypervisor::ZoneInfo>& list);
    Result<Machine> machine();
    Result<std::string> start(Result<JsonDocument> document, const ConfigText& virtio, FileTable files);
    Result<std::string> start(ZoneFile file, std::shared_ptr<const VirtioSource> virtio,
                              const FileTable& files);
    Result<void> shutdown_foreign(const std::string& name);
    void notify();
    Zones zones_now();
    std::shared_ptr<const VirtioSource> remembered_for(std::uint32_t id);
    std::shared_ptr<Zone> replace(const std::string& name, const std::shared_ptr<Zone>& zone);
    bool has_devices_of(std::uint32_t id);
    Result<std::vector<std::shared_ptr<Zone>>> adopt_running(const VirtioSource& virtio);

    hypervisor::Hypervisor& hypervisor;
    hypervisor::TrapLoop& trap_loop;
    const std::vector<std::filesystem::path> config_dirs;
    const std::filesystem::path device_tree;

    /// Held while a zone starts or shuts down: one after the other.
    std::mutex control;
    std::vector<hypervisor::ZoneInfo> seen; ///< the hypervisor's list at the last refresh; under `control`

    /// Held for a moment only, never while anything is called.
    std::mutex lock;
    Zones zones;
    std::map<std::uint32_t, std::shared_ptr<const VirtioSource>> remembered;
    std::shared_ptr<const std::function<void()>> changed;
};

namespace {

std::vector<std::uint32_t> cpu_list(std::uint64_t mask) {
    std::vector<std::uint32_t> cpus;
    for (; mask != 0; mask &= mask - 1) {
        cpus.push_back(static_cast<std::uint32_t>(std::countr_zero(mask)));
    }
    return cpus;
}

/// The name of a zone that another tool started, who may write there what he
/// likes, as what the bus can carry.
std::string foreign_name(const hypervisor::ZoneInfo& info) {
    std::string name = info.name;
    std::ranges::replace_if(name, [](char c) { return c < ' ' || c > '~'; }, '?');
    return name.empty() ? std::format("zone-{}", info.id) : name;
}

ZoneState foreign_state(const hypervisor::ZoneInfo& info) {
    ZoneState zone;
    zone.id = info.id;
    zone.name = foreign_name(info);
    zone.state = info.has_error ? State::failed : State::running;
    zone.cpus = cpu_list(info.cpus);
    if (info.has_error) {
        zone.reason = "the hypervisor has marked it as failed";
    }
    return zone;
}

bool is_same_list(const std::vector<hypervisor::ZoneInfo>& a, const std::vector<hypervisor::ZoneInfo>& b) {
    return std::ranges::equal(a, b, [](const auto& one, const auto& other) {
        return std::tie(one.id, one.cpus, one.name, one.has_error) ==
               std::tie(other.id, other.cpus, other.name, other.has_error);
    });
}

const hypervisor::ZoneInfo* find(const std::vector<hypervisor::ZoneInfo>& list, std::uint32_t id) {
    const auto found = std::ranges::find(list, id, &hypervisor::ZoneInfo::id);
    return found == list.end() ? nullptr : &*found;
}

void log_warnings(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) {
        log::warning("{}", warning);
    }
}

/// What is known of a running zone without its zone JSON.
ZoneConfig config_of(const hypervisor::ZoneInfo& info, const std::vector<MemoryRange>& ranges,
                     const VirtioZone& zone) {
    ZoneConfig config;
    config.zone_id = info.id;
    config.name = info.name;
    config.cpus = cpu_list(info.cpus);
    for (const auto& [range, document] : ranges) {
        config.memory_regions.push_back({RegionType::ram, range.zone0_ipa, range.zonex_ipa, range.size});
    }
    for (const VirtioDevice& device : zone.devices) {
        config.memory_regions.push_back({RegionType::virtio, device.address, device.address, device.length});
    }
    return config;
}

} // namespace

void ZoneManager::Impl::notify() {
    std::shared_ptr<const std::function<void()>> callback;
    {
        const std::scoped_lock guard(lock);
        callback = changed;
    }
    if (callback && *callback) {
        (*callback)();
    }
}

ZoneManager::Impl::Zones ZoneManager::Impl::zones_now() {
    const std::scoped_lock guard(lock);
    return zones;
}

std::shared_ptr<const VirtioSource> ZoneManager::Impl::remembered_for(std::uint32_t id) {
    const std::scoped_lock guard(lock);
    const auto found = remembered.find(id);
    return found == remembered.end() ? nullptr : found->second;
}

/// Put a zone, or none, in the place of that name; returns what was there.
std::shared_ptr<Zone> ZoneManager::Impl::replace(const std::string& name, const std::shared_ptr<Zone>& zone) {
    const std::scoped_lock guard(lock);
    auto old = std::exchange(zones[name], zone);
    if (!zone) {
        zones.erase(name);
    }
    return old;
}

/// Tell every zone what the hypervisor says of it; whether one changed its state.
bool ZoneManager::Impl::observe(const std::vector<hypervisor::ZoneInfo>& list) {
    bool has_changed = false;
    for (const auto& [name, zone] : zones_now()) {
        has_changed |= zone->observe(find(list, zone->id()));
    }
    return has_changed;
}

Result<Machine> ZoneManager::Impl::machine() {
    auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(std::move(list).error());
    }
    observe(*list); // what a zone that has just gone had is free
    Machine machine{.zones = std::move(*list), .claims = {}, .reserved = reserved_memory(device_tree)};
    std::error_code error;
    // Where there is none, as on x86_64, the root zone's addresses are not the machine's.
    if (std::filesystem::is_directory(device_tree, error)) {
        machine.root = look_at_root_linux("/proc");
    }
    for (const auto& [name, zone] : zones_now()) {
        if (auto claims = zone->claims()) {
            machine.claims.push_back(std::move(*claims));
        }
    }
    return machine;
}

Result<std::string> ZoneManager::Impl::start(ZoneFile file, std::shared_ptr<const VirtioSource> virtio,
                                             const FileTable& files) {
    const auto magic = hypervisor.config_magic();
    if (!magic) {
        return std::unexpected(magic.error());
    }
    const auto now = machine();
    if (!now) {
        return std::unexpected(now.error());
    }
    auto plan = make_plan(std::move(file), std::move(virtio), files, *now, *magic);
    if (!plan) {
        return std::unexpected(std::move(plan).error());
    }
    std::string name = plan->zone.config.name;
    const auto zone = std::make_shared<Zone>(plan->zone.config, claims_of(*plan), hypervisor, trap_loop);
    // Its last run ends here, with disks and memory that the new one needs.
    if (const auto old = replace(name, zone)) {
        old->release();
    }
    notify();
    auto started = zone->start(std::move(*plan));
    if (!started) {
        replace(name, nullptr);
    }
    notify();
    if (!started) {
        return std::unexpected(std::move(started).error());
    }
    return name;
}

/// Whether this daemon serves, or is about to serve, the devices of that zone.
bool ZoneManager::Impl::has_devices_of(std::uint32_t id) {
    return std::ranges::any_of(zones_now(), [id](const auto& entry) {
        return entry.second->id() == id && entry.second->state() != State::stopped;
    });
}

/// Open the disks of all zones of `virtio`, and give those that run already,
/// started by somebody else, their devices. All of them or none.
Result<std::vector<std::shared_ptr<Zone>>> ZoneManager::Impl::adopt_running(const VirtioSource& virtio) {
    const auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(list.error());
    }
    std::vector<std::shared_ptr<Zone>> adopted;
    const auto give_up = [&adopted](Error error) {
        for (const auto& zone : adopted) {
            zone->abandon();
        }
        return std::unexpected(std::move(error));
    };
    for (const VirtioZone& zone : virtio.file.config.zones) {
        // For a zone that is not there yet they are opened again when it
        // starts; this is for whoever waits for an answer now.
        auto devices = open_devices(virtio, zone);
        if (!devices) {
            return give_up(std::move(devices).error());
        }
        const auto* info = find(*list, zone.id);
        // A name that the bus cannot carry is nothing to know a zone by.
        if (info == nullptr || info->name != foreign_name(*info) || devices->empty() ||
            has_devices_of(zone.id)) {
            continue;
        }
        const auto ranges = memory_ranges(virtio, zone);
        if (ranges.empty()) {
            return give_up({ErrorCode::invalid_config,
                            std::format("{}: zone {} runs already, so only this file can say where its RAM "
                                        "is; expected memory_region",
                                        virtio.file.document.locate(zone.pointer), zone.id)});
        }
        ZoneConfig config = config_of(*info, ranges, zone);
        ZoneClaims claims = claims_of(config, zone.devices, folder_of(virtio.file.document));
        auto mine = std::make_shared<Zone>(std::move(config), std::move(claims), hypervisor, trap_loop);
        if (auto done = mine->adopt(std::move(*devices), ranges); !done) {
            return give_up(std::move(done).error());
        }
        adopted.push_back(std::move(mine));
    }
    return adopted;
}

Result<void> ZoneManager::Impl::shutdown_foreign(const std::string& name) {
    const auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(list.error());
    }
    const auto info = std::ranges::find(*list, name, foreign_name);
    if (info == list->end()) {
        return fail(ErrorCode::no_such_zone,
                    "there is no zone called {}; hvisorctl zone list shows those that are there", name);
    }
    if (info->id == 0) {
        return fail(ErrorCode::wrong_state,
                    "{} is the root zone, which runs this daemon; power the machine off instead", name);
    }
    return hypervisor.shutdown_zone(info->id);
}

ZoneManager::ZoneManager(hypervisor::Hypervisor& hypervisor, hypervisor::TrapLoop& trap_loop,
                         std::vector<std::filesystem::path> config_dirs, std::filesystem::path device_tree)
    : impl_(std::make_unique<Impl>(hypervisor, trap_loop, std::move(config_dirs), std::move(device_tree))) {}

/// Zones go on running without their devices; nothing of this process stays in the TrapLoop.
ZoneManager::~ZoneManager() {
    for (const auto& [name, zone] : impl_->zones_now()) {
        zone->abandon();
    }
}

Result<std::vector<std::uint32_t>> ZoneManager::configure_virtio(const ConfigText& config, FileTable files) {
    const std::scoped_lock control(impl_->control);
    auto file = read_virtio_config(config);
    if (!file) {
        return std::unexpected(std::move(file).error());
    }
    const auto source = std::make_shared<const VirtioSource>(std::move(*file), std::move(files));
    auto adopted = impl_->adopt_running(*source);
    if (!adopted) {
        return std::unexpected(std::move(adopted).error());
    }
    for (const auto& zone : *adopted) {
        if (const auto old = impl_->replace(zone->name(), zone)) {
            old->release();
        }
    }
    std::vector<std::uint32_t> ids;
    {
        const std::scoped_lock guard(impl_->lock);
        for (const VirtioZone& zone : source->file.config.zones) {
            ids.push_back(zone.id);
            impl_->remembered[zone.id] = source;
        }
    }
    if (!adopted->empty()) {
        impl_->notify();
    }
    return ids;
}

Result<std::string> ZoneManager::Impl::start(Result<JsonDocument> document, const ConfigText& virtio,
                                             FileTable files) {
    const std::scoped_lock guard(control);
    auto file =
        std::move(document).and_then([](JsonDocument&& whole) { return read_zone_file(std::move(whole)); });
    if (!file) {
        return std::unexpected(std::move(file).error());
    }
    log_warnings(file->warnings);
    if (file->form == Form::one_file) {
        if (!virtio.text.empty()) {
            return fail(ErrorCode::invalid_config,
                        "{}: the zone's devices are in this file; start it without {}, or remove \"devices\"",
                        file->document.name(), virtio.name);
        }
        const auto source = std::make_shared<const VirtioSource>(own_devices(*file), std::move(files));
        return start(std::move(*file), source, source->files);
    }
    if (virtio.text.empty()) {
        const auto remembered_source = remembered_for(file->config.zone_id);
        return start(std::move(*file), remembered_source, files);
    }
    auto virtio_file = read_virtio_config(virtio);
    if (!virtio_file) {
        return std::unexpected(std::move(virtio_file).error());
    }
    log_warnings(virtio_file->warnings);
    const auto source = std::make_shared<const VirtioSource>(std::move(*virtio_file), std::move(files));
    return start(std::move(*file), source, source->files);
}

Result<std::string> ZoneManager::start(const ConfigText& zone, const ConfigText& virtio, FileTable files) {
    return impl_->start(JsonDocument::parse(zone), virtio, std::move(files));
}

Result<std::string> ZoneManager::start_configured(const std::string& name) {
    const auto files = find_config(impl_->config_dirs, name);
    if (!files) {
        return std::unexpected(files.error());
    }
    return impl_->start(merge_config(*files), files->virtio, FileTable{.files = {}, .may_open = true});
}

Result<void> ZoneManager::shutdown(const std::string& name) {
    const std::scoped_lock guard(impl_->control);
    const auto zones = impl_->zones_now();
    const auto found = zones.find(name);
    if (found == zones.end()) {
        return impl_->shutdown_foreign(name);
    }
    const std::shared_ptr<Zone> zone = found->second;
    if (zone->state() == State::stopped) {
        return fail(ErrorCode::wrong_state, "zone {} does not run", name);
    }
    // A guest that powered itself off a moment ago is a zone that is shut down.
    auto stopped = zone->shutdown();
    impl_->notify();
    return stopped;
}

std::vector<ZoneState> ZoneManager::zones() {
    auto managed = impl_->zones_now();
    std::vector<ZoneState> states;
    for (const auto& info : impl_->hypervisor.list_zones().value_or(std::vector<hypervisor::ZoneInfo>{})) {
        const auto mine = managed.find(info.name);
        if (mine != managed.end() && mine->second->id() == info.id &&
            mine->second->state() != State::stopped) {
            states.push_back(mine->second->inspect());
        } else {
            states.push_back(foreign_state(info));
        }
        managed.erase(info.name); // one entry a name
    }
    for (const auto& [name, zone] : managed) {
        states.push_back(zone->inspect());
    }
    return states;
}

Result<std::shared_ptr<ZoneDevices>> ZoneManager::devices(const std::string& zone) const {
    const auto zones = impl_->zones_now();
    const auto found = zones.find(zone);
    if (found == zones.end()) {
        return fail(ErrorCode::no_such_zone, "this daemon has no zone called {}", zone);
    }
    auto devices = found->second->devices();
    if (!devices) {
        return fail(ErrorCode::no_such_device, "zone {} has no devices now", zone);
    }
    return devices;
}

hypervisor::TrapCounts ZoneManager::trap_counts() const {
    return impl_->trap_loop.counts();
}

void ZoneManager::on_change(std::function<void()> callback) {
    auto shared = std::make_shared<const std::function<void()>>(std::move(callback));
    const std::scoped_lock guard(impl_->lock);
    impl_->changed = std::move(shared);
}

void ZoneManager::refresh() {
    const std::unique_lock guard(impl_->control, std::try_to_lock);
    if (!guard) {
        return;
    }
    auto list = impl_->hypervisor.list_zones();
    if (!list) {
        return; // a list that cannot be read says nothing about a zone
    }
    const bool is_other_list = !is_same_list(*list, impl_->seen);
    const bool has_changed = impl_->observe(*list);
    impl_->seen = std::move(*list);
    if (is_other_list || has_changed) {
        impl_->notify();
    }
}

} // namespace hvisor::zone
