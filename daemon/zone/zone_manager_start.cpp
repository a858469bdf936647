// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "zone/reserved_memory.hpp"
#include "zone/root_linux.hpp"
#include "zone/zone_manager_impl.hpp"

#include <chrono>
#include <filesystem>
#include <format>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace hvisor::zone {
namespace {

void log_warnings(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) {
        log::warning("{}", warning);
    }
}

} // namespace

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
        machine.root = look_at_root_linux("/proc", device_tree);
    }
    for (const auto& [name, zone] : zones_now()) {
        if (auto claims = zone->claims()) {
            machine.claims.push_back(std::move(*claims));
        }
    }
    return machine;
}

Result<std::string> ZoneManager::Impl::start(ZoneFile file, std::shared_ptr<const VirtioSource> virtio,
                                             const FileTable& files,
                                             const std::shared_ptr<Zone>& on_failure) {
    const auto magic = hypervisor.config_magic();
    if (!magic) {
        return std::unexpected(magic.error());
    }
    const auto now = machine();
    if (!now) {
        return std::unexpected(now.error());
    }
    const RestartPolicy policy = file.start.restart;
    std::optional<Restarts::Run> again;
    if (policy != RestartPolicy::never) {
        again = Restarts::Run{.file = file, .virtio = virtio};
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
    auto started = zone->start(std::move(*plan), [this] { notify(); });
    if (!started) {
        replace(name, on_failure);
    } else if (again) {
        restarts.remember(name, policy, std::move(*again));
    } else {
        restarts.forget(name);
    }
    notify();
    if (!started) {
        return std::unexpected(std::move(started).error());
    }
    return name;
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

/// Let zones that have ended by themselves wait for their next start; whether there are any.
bool ZoneManager::Impl::await_restarts() {
    const auto now = std::chrono::steady_clock::now();
    bool has_changed = false;
    for (const auto& [name, zone] : zones_now()) {
        const auto delay = restarts.ended(name, zone->state(), zone->age(), now);
        if (!delay) {
            continue;
        }
        has_changed = true;
        const std::string reason = zone->inspect().reason;
        // A zone that has failed is still there, with its CPUs.
        if (zone->state() == State::failed && !zone->shutdown()) {
            restarts.forget(name);
            continue;
        }
        zone->await_restart(std::format("{}; it is started again in {}",
                                        reason.empty() ? "the guest has powered itself off" : reason,
                                        *delay));
    }
    return has_changed;
}

/// Start the zones that have waited long enough; whether there are any.
bool ZoneManager::Impl::restart_due() {
    const auto due = restarts.due(std::chrono::steady_clock::now());
    for (const auto& [name, run] : due) {
        const auto known = zones_now();
        const auto waiting = known.find(name);
        const auto old = waiting == known.end() ? nullptr : waiting->second;
        const auto started = start(run.file, run.virtio, run.virtio->files, old);
        if (started) {
            continue;
        }
        const auto delay = restarts.failed(name, std::chrono::steady_clock::now());
        log::error({.zone = name, .device = {}}, "could not be started again, the next try is in {}: {}",
                   delay, started.error().message);
        if (old) {
            old->await_restart(std::format("it could not be started again, the next try is in {}: {}", delay,
                                           started.error().message));
        }
    }
    return !due.empty();
}

} // namespace hvisor::zone
