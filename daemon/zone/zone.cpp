// SPDX-License-Identifier: Apache-2.0
#include "zone/zone.hpp"

#include "base/log.hpp"
#include "zone/diagnosis.hpp"
#include "zone/load_images.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace hvisor::zone {

std::string_view to_string(State state) {
    switch (state) {
    case State::defined:
        return "defined";
    case State::starting:
        return "starting";
    case State::running:
        return "running";
    case State::stopping:
        return "stopping";
    case State::stopped:
        return "stopped";
    case State::failed:
        return "failed";
    }
    std::unreachable();
}

Zone::Zone(ZoneConfig config, std::vector<VirtioDevice> described, ZoneOrigin origin, const World& world)
    : config_(std::move(config)),
      hypervisor_(world.hypervisor),
      trap_loop_(world.trap_loop),
      store_(world.store),
      origin_(std::move(origin)),
      described_(std::move(described)) {}

Result<std::shared_ptr<const guest::GuestMemory>> Zone::map_memory(const std::vector<MemoryRange>& ranges) {
    std::vector<guest::Region> regions;
    for (const MemoryRange& memory : ranges) {
        auto mapping = hypervisor_.map_ram(memory.range.zone0_ipa, memory.range.size);
        if (!mapping) {
            return std::unexpected(
                std::move(mapping).error().with_context(memory.document->locate(memory.range.pointer)));
        }
        regions.emplace_back(memory.range.zonex_ipa, std::move(*mapping));
    }
    auto memory = guest::GuestMemory::create(std::move(regions));
    if (!memory) {
        return std::unexpected(std::move(memory).error().with_context(std::format("zone {}", name())));
    }
    return std::make_shared<const guest::GuestMemory>(std::move(*memory));
}

Result<void> Zone::create_devices(std::vector<DeviceSettings> settings,
                                  const std::vector<MemoryRange>& ranges) {
    auto memory = map_memory(ranges);
    if (!memory) {
        return std::unexpected(std::move(memory).error());
    }
    auto devices = ZoneDevices::create(id(), name(), *memory, std::move(settings), trap_loop_, store_);
    if (!devices) {
        return std::unexpected(std::move(devices).error());
    }
    const std::scoped_lock guard(lock_);
    devices_ = std::move(*devices);
    return {};
}

Result<void> Zone::load(const ZonePlan& plan, const StartControl& control) {
    constexpr std::chrono::milliseconds pause{250};
    auto next = std::chrono::steady_clock::now() + pause;
    const auto tell = [&](std::uint64_t done, std::uint64_t total) -> Result<void> {
        constexpr double percent = 100;
        progress_ = static_cast<unsigned>(percent * static_cast<double>(done) / static_cast<double>(total));
        if (const auto now = std::chrono::steady_clock::now(); now >= next) {
            next = now + pause;
            control.progress(progress_);
        }
        return go_on(control);
    };
    return load_images(plan.zone, plan.images, hypervisor_, tell);
}

Result<void> Zone::run(const ZonePlan& plan) {
    Error refusal{ErrorCode::hypervisor_refused, ""};
    for (const Layout layout : plan.layouts) {
        const auto config = encode(plan.zone.config, image_sizes(plan.images), layout);
        const auto started = hypervisor_.start_zone(config);
        if (started) {
            return {};
        }
        refusal.code = started.error().code;
        refusal.message += std::format("{}{}", refusal.message.empty() ? "" : "; ", started.error().message);
        // A structure of another size than the hypervisor's is refused before
        // anything is done, and its magic does not always tell the size.
        if (refusal.code != ErrorCode::hypervisor_refused) {
            break;
        }
        refusal.message += std::format(" (structure of {} bytes)", config.size());
    }
    return std::unexpected(
        std::move(refusal).with_context(std::format("{}: zone {}", plan.zone.document.name(), name())));
}

Result<void> Zone::go_on(const StartControl& control) const {
    if (control.stop.stop_requested()) {
        return fail(ErrorCode::cancelled, "the start of zone {} was cancelled", name());
    }
    return {};
}

Result<void> Zone::start(ZonePlan plan, const StartControl& control) {
    const auto ranges = memory_ranges(plan);
    if (auto created = create_devices(std::move(plan.devices), ranges); !created) {
        forget_kept();
        return created;
    }
    Result<void> result = load(plan, control).and_then([&] { return go_on(control); });
    if (result) {
        // From its first instruction on the guest may touch a device, and whoever goes on
        // after this process has to know of it.
        keep_record();
        trap_loop_.add_zone(id(), devices());
        result = run(plan);
        if (!result) {
            trap_loop_.remove_zone(id());
        }
    }
    if (!result) {
        devices()->quiesce();
        forget_kept();
        release();
        return result;
    }
    set_running();
    log::info({.zone = name(), .event = log::Event::zone_started}, "started");
    return {};
}

Result<void> Zone::adopt(std::vector<DeviceSettings> settings, const std::vector<MemoryRange>& ranges) {
    if (auto created = create_devices(std::move(settings), ranges); !created) {
        forget_kept();
        return created;
    }
    keep_record();
    trap_loop_.add_zone(id(), devices());
    set_running();
    log::info({.zone = name(), .event = log::Event::zone_started},
              "runs already and has its devices from now on");
    return {};
}

void Zone::abandon() {
    trap_loop_.remove_zone(id());
    forget_kept();
    release();
}

void Zone::set_running(std::chrono::steady_clock::time_point since) {
    const std::scoped_lock guard(lock_);
    started_ = since;
    state_ = State::running;
}

bool Zone::ask_to_power_off(Afterwards then) {
    {
        const std::scoped_lock guard(lock_);
        if (state_ != State::running) {
            return asked_.has_value(); // it has been asked already, or has other worries
        }
    }
    auto asked = devices()->ask_to_power_off();
    if (!asked) {
        return false;
    }
    const std::scoped_lock guard(lock_);
    log::info({.zone = name(), .device = {}}, "asked to power itself off {}", asked->way);
    asked_ = std::move(asked);
    then_ = std::move(then);
    state_ = State::stopping;
    return true;
}

Result<void> Zone::shutdown(Afterwards then) {
    // Another zone may have its number by now.
    if (!is_there()) {
        set_state(then.state, std::move(then.reason));
        return {};
    }
    set_state(State::stopping, "");
    if (const auto devices = this->devices()) {
        devices->quiesce();
    }
    // With one root CPU what is in the ring now would wait until the hypervisor gives up.
    trap_loop_.drain();
    Result<void> stopped = hypervisor_.shutdown_zone(id());
    if (!stopped) {
        const auto zones = hypervisor_.list_zones();
        const bool is_there = !zones || std::ranges::contains(*zones, id(), &hypervisor::ZoneInfo::id);
        if (is_there) {
            set_state(State::failed, std::format("it could not be shut down: {}", stopped.error().message));
            return std::unexpected(std::move(stopped).error().with_context(std::format("zone {}", name())));
        }
        // It powered itself off a moment before.
    }
    finish(std::move(then));
    log::info({.zone = name(), .event = log::Event::zone_shut_down}, "shut down");
    return {};
}

bool Zone::observe(const hypervisor::ZoneInfo* info) {
    State before{};
    Afterwards then;
    {
        const std::scoped_lock guard(lock_);
        before = state_;
        then = then_;
        if (before != State::running && before != State::failed && !asked_) {
            return false;
        }
    }
    if (info == nullptr || info->name != name()) {
        devices()->quiesce();
        finish(std::move(then));
        log::info({.zone = name(), .event = log::Event::zone_powered_off},
                  "the guest has powered itself off");
        return true;
    }
    if (info->has_error && before != State::failed) {
        const std::string reason =
            "the hypervisor has marked it as failed, because the guest touched an address outside of its "
            "memory_regions or the hypervisor met an error; shut it down and look at the hypervisor's log";
        set_state(State::failed, reason);
        log::error({.zone = name(), .event = log::Event::zone_failed}, "failed: {}", reason);
        return true;
    }
    return false;
}

/// The zone is gone, and its devices are quiet: nobody asks for a register any more. Its
/// record stays until it is known whether it is started again.
void Zone::finish(Afterwards then) {
    trap_loop_.drain();
    trap_loop_.remove_zone(id());
    if (const auto devices = this->devices()) {
        devices->forget();
    }
    const std::scoped_lock guard(lock_);
    state_ = then.state;
    reason_ = std::move(then.reason);
    asked_.reset();
    then_ = {};
    is_there_ = false;
}

void Zone::set_stopped() {
    set_state(State::stopped, "");
    forget();
}

void Zone::set_state(State state, std::string reason) {
    const std::scoped_lock guard(lock_);
    asked_.reset();
    then_ = {};
    state_ = state;
    reason_ = std::move(reason);
}

State Zone::state() const {
    const std::scoped_lock guard(lock_);
    return state_;
}

std::chrono::steady_clock::duration Zone::age() const {
    const std::scoped_lock guard(lock_);
    return std::chrono::steady_clock::now() - started_;
}

std::shared_ptr<ZoneDevices> Zone::devices() const {
    const std::scoped_lock guard(lock_);
    return devices_;
}

void Zone::release() {
    std::shared_ptr<ZoneDevices> devices;
    {
        const std::scoped_lock guard(lock_);
        devices = std::exchange(devices_, nullptr);
    }
    // The last owner ends the devices' threads here, and not under the lock.
}

ZoneState Zone::inspect() const {
    ZoneState zone;
    zone.id = id();
    zone.name = name();
    zone.cpus = config_.cpus;
    zone.managed = true;
    std::shared_ptr<ZoneDevices> devices;
    std::chrono::steady_clock::time_point started;
    {
        const std::scoped_lock guard(lock_);
        zone.state = state_;
        zone.reason = reason_;
        devices = devices_;
        started = started_;
    }
    std::ranges::sort(zone.cpus);
    zone.cpus.erase(std::ranges::unique(zone.cpus).begin(), zone.cpus.end());
    if (zone.state == State::starting && zone.reason.empty()) {
        zone.progress = progress_;
    }
    if (devices) {
        zone.devices = devices->inspect();
    }
    if (zone.state == State::running) {
        const auto running = std::chrono::steady_clock::now() - started;
        zone.diagnosis = diagnose({.zone = name(),
                                   .running = std::chrono::duration_cast<std::chrono::milliseconds>(running),
                                   .has_virtio_regions = std::ranges::contains(
                                       config_.memory_regions, RegionType::virtio, &MemoryRegion::type),
                                   .has_gic = std::holds_alternative<Aarch64Config>(config_.arch)},
                                  zone.devices);
    }
    return zone;
}

std::optional<ZoneClaims> Zone::claims() const {
    const std::scoped_lock guard(lock_);
    return is_there_ ? std::optional(claims_of(config_, described_, "")) : std::nullopt;
}

bool Zone::is_there() const {
    const std::scoped_lock guard(lock_);
    return is_there_;
}

std::vector<VirtioDevice> Zone::described() const {
    const std::scoped_lock guard(lock_);
    return described_;
}

} // namespace hvisor::zone
