// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "zone/config_files.hpp"
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

Machine ZoneManager::Impl::machine(std::vector<hypervisor::ZoneInfo> list) {
    std::error_code error;
    Machine machine{.zones = std::move(list),
                    .claims = {},
                    .reserved = reserved_memory(device_tree),
                    .root = {},
                    // Where there is none, as on x86_64, the root zone's addresses are not the machine's.
                    .is_described = std::filesystem::is_directory(device_tree, error)};
    if (machine.is_described) {
        machine.root = look_at_root_linux("/proc", device_tree);
    }
    for (const auto& [name, zone] : zones_now()) {
        if (auto claims = zone->claims()) {
            machine.claims.push_back(std::move(*claims));
        }
    }
    return machine;
}

Result<std::string> ZoneManager::Impl::start(Restarts::Run run, const std::string& configured,
                                             const StartControl& how,
                                             const std::shared_ptr<Zone>& on_failure) {
    const auto magic = hypervisor.config_magic();
    if (!magic) {
        return std::unexpected(magic.error());
    }
    auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(std::move(list).error());
    }
    observe(*list); // what a zone that has just gone had is free
    const Machine now = machine(std::move(*list));
    const RestartPolicy policy = run.file.start.restart;
    auto plan = make_plan(run.file, run.virtio, *run.files, now, *magic);
    if (!plan) {
        return std::unexpected(std::move(plan).error());
    }
    std::string name = plan->zone.config.name;
    if (how.named) {
        how.named(name);
    }
    const auto zone = std::make_shared<Zone>(plan->zone.config, described_devices(*plan),
                                             origin_of(run, configured), world());
    // Its last run ends here, with disks and memory that the new one needs.
    const auto old = replace(name, zone);
    if (old) {
        old->release();
    }
    notify();
    const auto tell = [&](unsigned percent) {
        if (how.progress) {
            how.progress(percent);
        }
        notify();
    };
    auto started = zone->start(std::move(*plan), {.stop = how.stop, .named = {}, .progress = tell});
    if (old && (started || old != on_failure)) {
        old->forget();
    }
    if (!started) {
        replace(name, on_failure);
    } else {
        if (policy == RestartPolicy::never) {
            restarts.forget(name);
        } else {
            restarts.remember(name, policy, run);
        }
        origins.insert_or_assign(name, Origin{.configured = configured, .run = std::move(run)});
    }
    notify();
    if (!started) {
        return std::unexpected(std::move(started).error());
    }
    return name;
}

Result<Restarts::Run> ZoneManager::Impl::read(Result<JsonDocument> document, const ConfigText& virtio,
                                              FileTable files) {
    // The files of a configuration serve its images and its devices.
    const auto together = [](std::shared_ptr<const VirtioSource> source) {
        return std::shared_ptr<const FileTable>(source, &source->files);
    };
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
        return Restarts::Run{.file = std::move(*file), .virtio = source, .files = together(source)};
    }
    if (virtio.text.empty()) {
        auto remembered_source = remembered_for(file->config.zone_id);
        return Restarts::Run{.file = std::move(*file),
                             .virtio = std::move(remembered_source),
                             .files = std::make_shared<const FileTable>(std::move(files))};
    }
    auto virtio_file = read_virtio_config(virtio);
    if (!virtio_file) {
        return std::unexpected(std::move(virtio_file).error());
    }
    log_warnings(virtio_file->warnings);
    const auto source = std::make_shared<const VirtioSource>(std::move(*virtio_file), std::move(files));
    return Restarts::Run{.file = std::move(*file), .virtio = source, .files = together(source)};
}

Result<Restarts::Run> ZoneManager::Impl::read_configured(const std::string& name) {
    const auto files = find_config(config_dirs, name);
    if (!files) {
        return std::unexpected(files.error());
    }
    return read(merge_config(*files), files->virtio, FileTable{.files = {}, .may_open = true});
}

/// What a zone is started with the next time: its configuration may have changed since.
Result<Restarts::Run> ZoneManager::Impl::read_again(const Zone& zone) {
    const auto origin = origins.find(zone.name());
    if (origin == origins.end()) {
        return fail(
            ErrorCode::wrong_state,
            "zone {} was not started by this daemon, which does not know with what to start it again; "
            "shut it down and start it",
            zone.name());
    }
    const auto& [configured, run] = origin->second;
    return configured.empty() ? Result<Restarts::Run>(run) : read_configured(configured);
}

Result<std::string> ZoneManager::restart(const std::string& name, const StartControl& control) {
    const std::scoped_lock guard(impl_->control);
    const auto zones = impl_->zones_now();
    const auto found = zones.find(name);
    if (found == zones.end() || found->second->state() == State::stopped) {
        return fail(found == zones.end() && !impl_->is_defined(name) ? ErrorCode::no_such_zone
                                                                     : ErrorCode::wrong_state,
                    "no zone called {} runs by this daemon, so it cannot be restarted", name);
    }
    const std::shared_ptr<Zone> zone = found->second;
    // What is wrong with it is said while the zone still runs.
    auto run = impl_->read_again(*zone);
    if (!run) {
        if (!zone->is_there()) {
            zone->set_stopped();
            impl_->notify();
        }
        return std::unexpected(std::move(run).error());
    }
    const std::string configured = impl_->origins.at(name).configured;
    if (auto stopped = zone->shutdown(being_restarted()); !stopped) {
        impl_->notify();
        return std::unexpected(std::move(stopped).error());
    }
    impl_->forget(name);
    auto started = impl_->start(std::move(*run), configured, control, zone);
    if (!started || *started != name) {
        zone->set_stopped();
        impl_->notify();
    }
    if (!started) {
        return std::unexpected(std::move(started).error().with_context(
            std::format("zone {} is shut down, and could not be started again", name)));
    }
    return started;
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
        std::string reason = zone->inspect().reason;
        // A zone that has failed is still there, with its CPUs.
        if (zone->state() == State::failed && !zone->shutdown()) {
            restarts.forget(name);
            continue;
        }
        zone->await_restart(reason.empty() ? "the guest has powered itself off" : std::move(reason), *delay);
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
        const auto origin = origins.find(name);
        const std::string configured = origin == origins.end() ? "" : origin->second.configured;
        const auto started = start(run, configured, {}, old);
        if (started) {
            continue;
        }
        const auto delay = restarts.failed(name, std::chrono::steady_clock::now());
        log::error({.zone = name, .event = log::Event::zone_not_restarted},
                   "could not be started again, the next try is in {}: {}", delay, started.error().message);
        if (old) {
            old->await_restart("it could not be started again: " + started.error().message, delay);
        }
    }
    return !due.empty();
}

} // namespace hvisor::zone
