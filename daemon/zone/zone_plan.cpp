// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_plan.hpp"

#include "base/log.hpp"
#include "zone/check_guest_tree.hpp"
#include "zone/check_zone.hpp"
#include "zone/config_reader.hpp"
#include "zone/vnc_password.hpp"
#include "zone/zone_claims.hpp"

#include <format>
#include <utility>

namespace hvisor::zone {
namespace {

/// All that can be known before a file is opened. A zone that is sound in
/// itself is compared with its devices and the machine at once, so that a person hears of both.
Result<void> check_all(const ZoneFile& zone, const VirtioSource* virtio, const Machine& machine) {
    if (auto checked = check_zone(zone); !checked) {
        return checked;
    }
    const VirtioFile* devices = virtio != nullptr ? &virtio->file : nullptr;
    return join(devices != nullptr ? check_devices(zone, *devices) : Result<void>{},
                check_machine(zone, devices, machine));
}

/// The passwords of its displays, of those that ask for one.
std::vector<std::string> read_passwords(const FileTable& files, const JsonDocument& document,
                                        const GpuConfig& gpu, Problems& problems) {
    std::vector<std::string> passwords;
    for (const DisplayConfig& display : gpu.displays) {
        auto& password = passwords.emplace_back();
        if (!display.vnc || display.vnc->password_file.empty()) {
            continue;
        }
        const auto& path = display.vnc->password_file;
        const auto pointer = display.vnc->pointer + "/password_file";
        if (const auto file = open_file(files, document, path, pointer, FileUse::image, problems)) {
            if (auto read = read_vnc_password(file->fd.get(), path)) {
                password = std::move(*read);
            } else {
                problems.add(pointer, read.error().message, read.error().code);
            }
        }
    }
    return passwords;
}

NetSettings net_settings(const VirtioDevice& device, const JsonDocument& document) {
    const auto& net = device.net;
    return {.tap = {.name = net.tap,
                    .bridge = net.bridge,
                    .mtu = net.mtu,
                    .pairs = net.queue_pairs,
                    .guest_mac = net.mac},
            .options = {.mac = net.mac, .transmit = net.transmit, .receive = net.receive},
            .location = document.locate(device.pointer)};
}

} // namespace

DeviceSettings open_device(const FileTable& files, const JsonDocument& document, const VirtioDevice& device,
                           Problems& problems) {
    DeviceSettings settings{.address = device.address,
                            .length = device.length,
                            .interrupt = device.interrupt,
                            .model = ConsoleSettings{}};
    if (device.type == DeviceType::block) {
        const auto& block = device.block;
        auto image = open_file(files, document, block.image, device.pointer + "/img",
                               block.read_only ? FileUse::read_only_disk : FileUse::disk, problems);
        settings.model = BlockSettings{.image = image ? std::move(image->fd) : UniqueFd(),
                                       .file = {.path = block.image,
                                                .read_only = block.read_only,
                                                .direct = block.direct,
                                                .serial = block.serial},
                                       .options = {.queues = block.queues, .limit = block.limit}};
    }
    if (device.type == DeviceType::net) {
        settings.model = net_settings(device, document);
    }
    if (device.type == DeviceType::console) {
        ConsoleSettings console{.ports = {}, .is_logged = device.journal};
        for (const VirtioPort& port : device.ports) {
            console.ports.push_back({.name = port.name, .is_console = port.is_console});
        }
        settings.model = std::move(console);
    }
    if (device.type == DeviceType::entropy) {
        settings.model = EntropySettings{.limit = device.entropy_limit};
    }
    if (device.type == DeviceType::vsock) {
        settings.model = VsockSettings{.cid = device.cid, .location = document.locate(device.pointer)};
    }
    if (device.type == DeviceType::gpu) {
        settings.model = GpuSettings{.config = device.gpu,
                                     .passwords = read_passwords(files, document, device.gpu, problems),
                                     .location = document.locate(device.pointer)};
    }
    if (device.type == DeviceType::input) {
        settings.model = InputSettings{.config = device.input, .location = document.locate(device.pointer)};
    }
    return settings;
}

Result<std::vector<DeviceSettings>> open_devices(const VirtioSource& virtio, const VirtioZone& zone) {
    Problems problems(virtio.file.document);
    std::vector<DeviceSettings> devices;
    for (const VirtioDevice& device : zone.devices) {
        devices.push_back(open_device(virtio.files, virtio.file.document, device, problems));
    }
    if (auto result = problems.result(); !result) {
        return std::unexpected(std::move(result).error());
    }
    return devices;
}

std::vector<MemoryRange> memory_ranges(const VirtioSource& virtio, const VirtioZone& zone) {
    std::vector<MemoryRange> ranges;
    for (const RamMapping& mapping : zone.memory) {
        ranges.push_back({mapping, &virtio.file.document});
        ranges.back().range.pointer += "/zone0_ipa";
    }
    return ranges;
}

std::vector<MemoryRange> memory_ranges(const ZonePlan& plan) {
    if (plan.virtio) {
        auto ranges = memory_ranges(*plan.virtio, *plan.virtio->file.config.zone(plan.zone.config.zone_id));
        if (!ranges.empty()) {
            return ranges;
        }
    }
    std::vector<MemoryRange> ranges;
    const auto& regions = plan.zone.config.memory_regions;
    for (std::size_t i = 0; i < regions.size(); ++i) {
        if (regions[i].type == RegionType::ram && !is_firmware(plan.zone.config, regions[i])) {
            ranges.push_back({{regions[i].physical_start, regions[i].virtual_start, regions[i].size,
                               std::format("/memory_regions/{}/physical_start", i)},
                              &plan.zone.document});
        }
    }
    return ranges;
}

std::vector<VirtioDevice> described_devices(const VirtioFile& virtio, std::uint32_t zone) {
    const auto described = virtio.config.devices_of(zone);
    std::vector<VirtioDevice> devices(described.begin(), described.end());
    for (VirtioDevice& device : devices) {
        device.block.image = absolute_path(device.block.image, folder_of(virtio.document));
    }
    return devices;
}

std::vector<VirtioDevice> described_devices(const ZonePlan& plan) {
    return plan.virtio ? described_devices(plan.virtio->file, plan.zone.config.zone_id)
                       : std::vector<VirtioDevice>{};
}

Result<ZonePlan> make_plan(ZoneFile zone, std::shared_ptr<const VirtioSource> virtio, const FileTable& files,
                           const Machine& machine, std::uint64_t magic) {
    auto layouts = layouts_for_magic(magic, zone.config.arch);
    if (!layouts) {
        return std::unexpected(std::move(layouts).error());
    }
    if (auto checked = check_all(zone, virtio.get(), machine); !checked) {
        return std::unexpected(std::move(checked).error());
    }
    auto images = open_images(zone, files);
    if (!images) {
        return std::unexpected(std::move(images).error());
    }
    const auto described =
        virtio ? virtio->file.config.devices_of(zone.config.zone_id) : std::span<const VirtioDevice>{};
    Problems problems(zone.document);
    check_guest_tree(zone, described, *images, problems);
    for (const std::string& warning : problems.warnings()) {
        log::warning("{}", warning);
    }
    if (auto fits = problems.result(); !fits) {
        return std::unexpected(std::move(fits).error());
    }
    Result<std::vector<DeviceSettings>> devices;
    if (virtio) {
        devices = open_devices(*virtio, *virtio->file.config.zone(zone.config.zone_id));
    }
    if (!devices) {
        return std::unexpected(std::move(devices).error());
    }
    return ZonePlan{std::move(zone), std::move(virtio), std::move(*images), std::move(*devices),
                    std::move(*layouts)};
}

} // namespace hvisor::zone
