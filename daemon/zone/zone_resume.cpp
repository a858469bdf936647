// SPDX-License-Identifier: Apache-2.0
// What a zone leaves for a process after this one, and how it goes on there.
#include "base/log.hpp"
#include "zone/kept_files.hpp"
#include "zone/zone.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace hvisor::zone {

void Zone::keep_record() {
    const auto devices = this->devices();
    if (!store_.is_kept() || !devices) {
        return;
    }
    ZoneRecord record{
        .id = id(), .name = name(), .started_ns = 0, .ended = {}, .origin = origin_, .devices = {}};
    for (auto& [address, key] : devices->keys()) {
        record.devices.push_back({.address = address, .key = std::move(key), .image = {}, .text = {}});
        auto& device = record.devices.back();
        if (const auto text = attached_.find(address); text != attached_.end()) {
            device.text = text->second;
        }
        const std::scoped_lock guard(lock_);
        const auto described = std::ranges::find(described_, address, &VirtioDevice::address);
        if (described != described_.end()) {
            device.image = described->block.image;
        }
    }
    {
        const std::scoped_lock guard(lock_);
        const auto since = state_ == State::starting ? std::chrono::steady_clock::now() : started_;
        record.started_ns = std::chrono::nanoseconds(since.time_since_epoch()).count();
    }
    keep(record);
}

void Zone::keep(const ZoneRecord& record) {
    auto file = make_text_file("hvisor zone " + name(), write_zone_record(record));
    if (!file) {
        log::warning({.zone = name(), .device = {}}, "{}: the zone would lose its devices with this process",
                     file.error().message);
        return;
    }
    // The new one first: one of the two is always there, and the later one counts.
    auto fresh = std::format("zone.{}.{}", id(), fresh_key());
    store_.keep(fresh, file->get());
    drop_record();
    record_name_ = std::move(fresh);
}

void Zone::drop_record() {
    if (const auto old = std::exchange(record_name_, {}); !old.empty()) {
        store_.drop(old);
    }
}

void Zone::forget() {
    if (std::exchange(is_forgotten_, true)) {
        return;
    }
    drop_record();
    for (const auto& file : origin_.files) {
        store_.drop(file.key);
    }
}

void Zone::forget_kept() {
    forget();
    if (const auto devices = this->devices()) {
        devices->forget();
    }
}

void Zone::await_restart(std::string why, std::chrono::seconds delay) {
    set_state(State::starting, std::format("{}; it is started again in {}", why, delay));
    if (store_.is_kept()) {
        keep({.id = id(),
              .name = name(),
              .started_ns = 0,
              .ended = std::move(why),
              .origin = origin_,
              .devices = {}});
    }
}

void Zone::resume_waiting(std::string record_name, std::string why, std::chrono::seconds delay) {
    record_name_ = std::move(record_name);
    {
        const std::scoped_lock guard(lock_);
        is_there_ = false;
    }
    await_restart(std::move(why), delay);
}

Result<void> Zone::resume(const ZoneRecord& record, std::string record_name,
                          std::vector<DeviceSettings> settings, const std::vector<MemoryRange>& ranges) {
    record_name_ = std::move(record_name);
    for (const auto& device : record.devices) {
        if (!device.text.text.empty()) {
            attached_.emplace(device.address, device.text);
        }
    }
    if (auto created = create_devices(std::move(settings), ranges); !created) {
        return created;
    }
    trap_loop_.add_zone(id(), devices());
    set_running(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(record.started_ns)));
    log::info({.zone = name(), .event = log::Event::zone_resumed},
              "goes on with its devices where the daemon before this one was");
    return {};
}

} // namespace hvisor::zone
