// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_manager.hpp"

#include "zone/foreign_zone.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_manager_impl.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::zone {

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

/// A person has ended the zone: nothing starts it again by itself.
void ZoneManager::Impl::forget(const std::string& name) {
    restarts.forget(name);
    origins.erase(name);
}

/// The open files of what has ended by itself belong to nobody any more.
void ZoneManager::Impl::forget_ended() {
    const auto now = zones_now();
    for (const auto& [name, zone] : now) {
        if (zone->state() == State::stopped) {
            zone->forget();
        }
    }
    std::erase_if(origins, [&](const auto& origin) {
        const auto zone = now.find(origin.first);
        return zone == now.end() || zone->second->state() == State::stopped;
    });
}

Result<void> ZoneManager::Impl::shutdown_foreign(const std::string& name) {
    const auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(list.error());
    }
    const auto info = std::ranges::find(*list, name, foreign_name);
    if (info == list->end() && is_defined(name)) {
        return fail(ErrorCode::wrong_state, "zone {} does not run", name);
    }
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
                         std::vector<std::filesystem::path> config_dirs, std::filesystem::path device_tree,
                         FdStore* store)
    : impl_(std::make_unique<Impl>(hypervisor, trap_loop, std::move(config_dirs), std::move(device_tree),
                                   store)) {}

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
            old->forget();
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

Result<std::string> ZoneManager::start(const ConfigText& zone, const ConfigText& virtio, FileTable files,
                                       const StartControl& control) {
    const std::scoped_lock guard(impl_->control);
    return impl_->read(JsonDocument::parse(zone), virtio, std::move(files)).and_then([&](auto&& run) {
        return impl_->start(std::move(run), "", control);
    });
}

Result<std::string> ZoneManager::start_configured(const std::string& name, const StartControl& control) {
    const std::scoped_lock guard(impl_->control);
    return impl_->read_configured(name).and_then(
        [&](auto&& run) { return impl_->start(std::move(run), name, control); });
}

Result<bool> ZoneManager::ask_to_power_off(const std::string& name, PowerOff purpose) {
    const std::scoped_lock guard(impl_->control);
    const auto zones = impl_->zones_now();
    const auto found = zones.find(name);
    if (found == zones.end()) {
        return false;
    }
    Zone& zone = *found->second;
    Afterwards then;
    if (purpose == PowerOff::to_restart && zone.state() == State::running) {
        if (const auto run = impl_->read_again(zone); !run) {
            return std::unexpected(run.error());
        }
        then = being_restarted();
    }
    if (!zone.ask_to_power_off(std::move(then))) {
        return false;
    }
    if (purpose == PowerOff::for_good) {
        impl_->forget(name);
    }
    impl_->notify();
    return true;
}

Result<void> ZoneManager::shutdown(const std::string& name) {
    const std::scoped_lock guard(impl_->control);
    const auto zones = impl_->zones_now();
    const auto found = zones.find(name);
    if (found == zones.end()) {
        return impl_->shutdown_foreign(name);
    }
    const std::shared_ptr<Zone> zone = found->second;
    impl_->forget(name);
    if (zone->state() == State::stopped) {
        return fail(ErrorCode::wrong_state, "zone {} does not run", name);
    }
    // A guest that powered itself off a moment ago is a zone that is shut down.
    auto stopped = zone->shutdown();
    if (stopped) {
        zone->forget();
    }
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
    const std::scoped_lock guard(impl_->lock);
    for (const auto& [defined, own_name] : impl_->defined) {
        const bool is_listed = std::ranges::any_of(states, [&](const ZoneState& listed) {
            return listed.name == defined.name || listed.name == own_name;
        });
        if (!is_listed) {
            states.push_back(defined);
        }
    }
    return states;
}

Result<std::shared_ptr<ZoneDevices>> ZoneManager::devices(const std::string& zone) const {
    const auto zones = impl_->zones_now();
    const auto found = zones.find(zone);
    if (found == zones.end() && impl_->is_defined(zone)) {
        return fail(ErrorCode::no_such_device, "zone {} does not run, so it has no devices", zone);
    }
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
    for (const auto& [name, zone] : impl_->zones_now()) {
        if (const auto devices = zone->devices()) {
            devices->tidy();
        }
    }
    auto list = impl_->hypervisor.list_zones();
    if (!list) {
        return; // a list that cannot be read says nothing about a zone
    }
    const bool is_other_list = !is_same_list(*list, impl_->seen);
    bool has_changed = impl_->observe(*list);
    impl_->seen = std::move(*list);
    has_changed |= impl_->await_restarts();
    has_changed |= impl_->restart_due();
    impl_->forget_ended();
    if (is_other_list || has_changed) {
        impl_->notify();
    }
}

} // namespace hvisor::zone
