// SPDX-License-Identifier: Apache-2.0
// Zones that outlive the process: what is kept of them, and how the next one goes on.
#include "base/log.hpp"
#include "zone/foreign_zone.hpp"
#include "zone/kept_files.hpp"
#include "zone/print_json.hpp"
#include "zone/zone_manager_impl.hpp"
#include "zone/zone_record.hpp"

#include <algorithm>
#include <fcntl.h>
#include <format>
#include <map>
#include <optional>
#include <utility>

namespace hvisor::zone {
namespace {

/// The description of a device that a zone has now; nothing when it has none of that address.
struct Described {
    const JsonDocument* document = nullptr;
    VirtioDevice device;
};

ConfigText text_of(const JsonDocument& document) {
    return {.name = document.name(), .text = print_with_origins(document)};
}

/// The open files of a table, kept under keys of their own.
void keep_files(FdStore& store, const FileTable& table, std::vector<ZoneOrigin::File>& files) {
    for (const auto& [path, file] : table.files) {
        auto key = "file." + fresh_key();
        store.keep(key, file.get());
        files.push_back({.path = path, .key = std::move(key)});
    }
}

FileTable duplicate(const FileTable& table) {
    FileTable copy{.files = {}, .may_open = table.may_open};
    for (const auto& [path, file] : table.files) {
        copy.files.emplace(path, UniqueFd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
    }
    return copy;
}

} // namespace

ZoneOrigin ZoneManager::Impl::origin_of(const VirtioSource& virtio) {
    ZoneOrigin origin;
    if (store.is_kept()) {
        origin.virtio = text_of(virtio.file.document);
        origin.may_open = virtio.files.may_open;
        keep_files(store, virtio.files, origin.files);
    }
    return origin;
}

ZoneOrigin ZoneManager::Impl::origin_of(const Restarts::Run& run, const std::string& configured) {
    ZoneOrigin origin{.configured = configured, .zone = {}, .virtio = {}, .may_open = false, .files = {}};
    if (!store.is_kept()) {
        return origin;
    }
    origin.zone = text_of(run.file.document);
    if (run.virtio && run.file.form != Form::one_file) {
        origin.virtio = text_of(run.virtio->file.document);
    }
    origin.may_open = run.files->may_open;
    keep_files(store, *run.files, origin.files);
    if (run.virtio && &run.virtio->files != run.files.get()) {
        keep_files(store, run.virtio->files, origin.files);
    }
    return origin;
}

/// What it takes to make the devices that the record has, each with the files that were kept.
Result<std::vector<DeviceSettings>> ZoneManager::Impl::kept_devices(const ZoneRecord& record,
                                                                    const VirtioSource* virtio,
                                                                    std::vector<VirtioDevice>& described) {
    std::vector<DeviceSettings> devices;
    for (const ZoneRecord::Device& each : record.devices) {
        std::optional<DeviceFile> own;
        Described found;
        if (!each.text.text.empty()) {
            auto file = read_virtio_device(each.text);
            if (!file) {
                return std::unexpected(std::move(file).error());
            }
            own = std::move(*file);
            found = {.document = &own->document, .device = own->device};
        } else if (virtio != nullptr) {
            const auto all = virtio->file.config.devices_of(record.id);
            const auto device = std::ranges::find(all, each.address, &VirtioDevice::address);
            if (device != all.end()) {
                found = {.document = &virtio->file.document, .device = *device};
            }
        }
        if (found.document == nullptr) {
            return fail(ErrorCode::invalid_config, "nothing describes the device at {:#x}", each.address);
        }
        FileTable files = virtio != nullptr ? duplicate(virtio->files) : FileTable{};
        if (found.device.type == DeviceType::block) {
            auto& path = found.device.block.image;
            if (!each.image.empty()) {
                path = each.image;
            }
            if (auto image = store.take(KeptFiles::name_of(each.key, kept_disk))) {
                files.files.insert_or_assign(path, std::move(image));
            }
        }
        Problems problems(*found.document);
        devices.push_back(open_device(files, *found.document, found.device, problems));
        devices.back().key = each.key;
        if (auto opened = problems.result(); !opened) {
            return std::unexpected(std::move(opened).error());
        }
        described.push_back(std::move(found.device));
    }
    return devices;
}

/// Nobody goes on with that zone. Of its files those have been taken that are opened before its
/// devices are made; a device's others go with it, or have not been taken.
void ZoneManager::Impl::drop(const ZoneRecord& record, const std::string& name) {
    store.drop(name);
    for (const auto& file : record.origin.files) {
        store.drop(file.key);
    }
    for (const auto& device : record.devices) {
        store.drop(KeptFiles::name_of(device.key, kept_disk));
    }
}

/// What was passed open when that zone was started.
FileTable ZoneManager::Impl::kept_files(const ZoneRecord& record) {
    FileTable files{.files = {}, .may_open = record.origin.may_open};
    for (const auto& [path, key] : record.origin.files) {
        files.files.emplace(path, store.take(key));
    }
    return files;
}

/// What that zone was started from; nothing of one that somebody else has started.
Result<std::optional<Restarts::Run>> ZoneManager::Impl::read_kept(const ZoneRecord& record) {
    if (record.origin.zone.text.empty()) {
        return std::nullopt;
    }
    return read(JsonDocument::parse(record.origin.zone), record.origin.virtio, kept_files(record));
}

/// Have a zone that does not run any more wait for its next start, if there is to be one.
void ZoneManager::Impl::resume_ended(const ZoneRecord& record, const std::string& name) {
    const bool has_waited = !record.ended.empty();
    if (!has_waited) {
        log::info({.zone = record.name, .event = log::Event::zone_powered_off},
                  "has ended while no daemon was there");
    }
    auto run = read_kept(record);
    if (!run) {
        log::error({.zone = record.name, .event = log::Event::zone_not_restarted},
                   "could not be started again: {}", run.error().message);
    }
    const auto policy = run && *run ? (*run)->file.start.restart : RestartPolicy::never;
    // One that had failed would still be there.
    if (policy == RestartPolicy::never || (policy == RestartPolicy::on_failure && !has_waited)) {
        drop(record, name);
        return;
    }
    wait_again(record, name, std::move(**run));
}

void ZoneManager::Impl::wait_again(const ZoneRecord& record, const std::string& name, Restarts::Run run) {
    const auto zone = std::make_shared<Zone>(run.file.config,
                                             run.virtio ? described_devices(run.virtio->file, record.id)
                                                        : std::vector<VirtioDevice>{},
                                             record.origin, world());
    restarts.remember(record.name, run.file.start.restart, run);
    origins.insert_or_assign(record.name,
                             Origin{.configured = record.origin.configured, .run = std::move(run)});
    zone->resume_waiting(name, record.ended.empty() ? "the guest has powered itself off" : record.ended,
                         restarts.failed(record.name, Restarts::Clock::now()));
    replace(record.name, zone);
}

Result<void> ZoneManager::Impl::resume(const ZoneRecord& record, const std::string& name) {
    const auto list = hypervisor.list_zones();
    if (!list) {
        return std::unexpected(list.error());
    }
    const auto* info = find(*list, record.id);
    const bool is_there = info != nullptr && info->name == record.name;
    if (!is_there) {
        resume_ended(record, name);
        return {};
    }
    if (!record.ended.empty()) {
        // Somebody else has started it meanwhile.
        drop(record, name);
        return {};
    }
    auto read_again = read_kept(record);
    if (!read_again) {
        return std::unexpected(std::move(read_again).error());
    }
    auto& run = *read_again;
    std::shared_ptr<const VirtioSource> virtio;
    if (run) {
        virtio = run->virtio;
    } else {
        auto file = read_virtio_config(record.origin.virtio);
        if (!file) {
            return std::unexpected(std::move(file).error());
        }
        virtio = std::make_shared<const VirtioSource>(std::move(*file), kept_files(record));
    }
    std::vector<VirtioDevice> described;
    auto devices = kept_devices(record, virtio.get(), described);
    if (!devices) {
        return std::unexpected(std::move(devices).error());
    }
    const auto* zone = virtio ? virtio->file.config.zone(record.id) : nullptr;
    if (!run && zone == nullptr) {
        return fail(ErrorCode::invalid_config, "{} says nothing of zone {}", record.origin.virtio.name,
                    record.id);
    }
    const auto ranges =
        run ? memory_ranges(
                  ZonePlan{.zone = run->file, .virtio = virtio, .images = {}, .devices = {}, .layouts = {}})
            : memory_ranges(*virtio, *zone);
    const auto mine = std::make_shared<Zone>(run ? run->file.config : foreign_config(*info, ranges, *zone),
                                             std::move(described), record.origin, world());
    if (auto resumed = mine->resume(record, name, std::move(*devices), ranges); !resumed) {
        return resumed;
    }
    replace(record.name, mine);
    if (run && run->file.start.restart != RestartPolicy::never) {
        restarts.remember(record.name, run->file.start.restart, *run);
    }
    if (run) {
        origins.insert_or_assign(record.name,
                                 Origin{.configured = record.origin.configured, .run = std::move(*run)});
    }
    return {};
}

void ZoneManager::resume() {
    const std::scoped_lock guard(impl_->control);
    FdStore& store = impl_->store;
    // Of two records of one zone the later one counts; its name is the greater one.
    std::map<std::uint32_t, std::pair<std::string, ZoneRecord>> records;
    bool is_ours = true;
    for (const auto& name : store.inherited("zone.")) {
        auto record = read_text_file(store.look_at(name)).and_then(read_zone_record);
        if (!record) {
            log::error({.zone = {}, .event = log::Event::zone_not_resumed}, "{}", record.error().message);
        }
        if (!record && record.error().code == ErrorCode::incompatible) {
            is_ours = false;
            continue;
        }
        static_cast<void>(store.take(name));
        if (!record) {
            store.drop(name);
            continue;
        }
        auto& latest = records[record->id];
        if (!latest.first.empty()) {
            store.drop(latest.first);
        }
        latest = {name, std::move(*record)};
    }
    for (const auto& [id, kept] : records) {
        const auto& [name, record] = kept;
        if (const auto resumed = impl_->resume(record, name); !resumed) {
            log::error({.zone = record.name, .event = log::Event::zone_not_resumed},
                       "runs without its devices, which the daemon before this one has had: {}; shut it down "
                       "and start it again",
                       resumed.error().message);
            impl_->drop(record, name);
        }
    }
    // A newer daemon that comes back finds what it has left.
    if (is_ours) {
        store.drop_rest();
    }
}

} // namespace hvisor::zone
