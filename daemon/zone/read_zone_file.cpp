// SPDX-License-Identifier: Apache-2.0
#include "zone/check_zone.hpp"
#include "zone/config_reader.hpp"
#include "zone/read_arch_config.hpp"
#include "zone/read_start_options.hpp"
#include "zone/read_virtio_device.hpp"
#include "zone/zone_file.hpp"

#include <algorithm>
#include <format>
#include <utility>

namespace hvisor::zone {
namespace {

void read_name(const ConfigReader& zone, ZoneConfig& config) {
    const auto value = zone.require("name", "a name of 1 to 32 bytes");
    if (!value) {
        return;
    }
    config.name = value->string("a name of 1 to 32 bytes").value_or("-");
    if (config.name.empty() || config.name.size() > max_name_length) {
        value->problem(
            std::format("the name is {} bytes long; expected 1 to {}", config.name.size(), max_name_length));
    }
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::ranges::any_of(config.name, is_control)) {
        value->problem("the name contains a control character; expected letters, digits and the like");
    }
}

MemoryRegion read_region(const ConfigReader& value) {
    MemoryRegion region;
    if (!value.require_object("type, physical_start, virtual_start and size")) {
        return region;
    }
    constexpr std::string_view types = R"("ram", "io" or "virtio")";
    if (const auto type = value.require("type", types)) {
        const auto word = type->string(types);
        if (word == "ram") {
            region.type = RegionType::ram;
        } else if (word == "io") {
            region.type = RegionType::io;
        } else if (word == "virtio") {
            region.type = RegionType::virtio;
        } else if (word) {
            type->problem(std::format(R"("{}" is no type of region; expected {})", *word, types));
        }
    }
    value.read("physical_start", region.physical_start);
    value.read("virtual_start", region.virtual_start);
    value.read("size", region.size);
    return region;
}

IvcConfig read_ivc(const ConfigReader& value) {
    IvcConfig ivc;
    if (value.require_object("the keys of one IVC channel")) {
        value.read_plain("ivc_id", ivc.ivc_id);
        value.read_plain("peer_id", ivc.peer_id);
        value.read("control_table_ipa", ivc.control_table_ipa);
        value.read("shared_mem_ipa", ivc.shared_mem_ipa);
        value.read("rw_sec_size", ivc.rw_sec_size);
        value.read("out_sec_size", ivc.out_sec_size);
        value.read_plain("interrupt_num", ivc.interrupt_num);
        value.read_plain("max_peers", ivc.max_peers);
    }
    return ivc;
}

void read_modules(const ConfigReader& zone, ZoneConfig& config) {
    const auto modules = zone.find("modules");
    if (!modules) {
        return;
    }
    constexpr std::size_t max_modules = 32;
    for (const ConfigReader& module :
         modules->elements(max_modules, "files with name, filepath and load_paddr")) {
        if (module.require_object("name, filepath and load_paddr")) {
            if (const auto name = module.find("name")) {
                static_cast<void>(name->string("a name for the file"));
            }
            std::uint64_t load_paddr = 0;
            read_image(module, ImageRole::module, "filepath", "load_paddr", load_paddr, config.images);
        }
    }
}

void read_cpus(const ConfigReader& zone, ZoneConfig& config) {
    // CPU n is bit n of a 64-bit mask; what the board has is another check's business.
    constexpr std::size_t mask_bits = 64;
    const auto cpus = zone.require("cpus", "the numbers of the zone's CPUs, such as [2, 3]");
    if (!cpus) {
        return;
    }
    for (const ConfigReader& cpu : cpus->elements(mask_bits, "CPU numbers")) {
        const std::uint32_t number = cpu.plain_number().value_or(0);
        if (number >= mask_bits) {
            cpu.problem(std::format("{} is no CPU number; expected 0 to {}", number, mask_bits - 1));
        }
        config.cpus.push_back(number);
    }
}

void read_interrupts(const ConfigReader& zone, ZoneConfig& config) {
    const auto interrupts = zone.require("interrupts", "the interrupt ids the zone owns, such as [76, 78]");
    if (!interrupts) {
        return;
    }
    for (const ConfigReader& interrupt : interrupts->elements(max_interrupts, "interrupt ids")) {
        const std::uint64_t id = interrupt.number(max_interrupts - 1).value_or(0);
        config.interrupts.push_back(static_cast<std::uint32_t>(id));
    }
}

void read_zone(const ConfigReader& zone, ZoneFile& file) {
    ZoneConfig& config = file.config;
    if (!zone.require_object("the keys of a zone")) {
        return;
    }
    if (zone.find("zones")) {
        zone.problem("this is a virtio configuration; expected a zone configuration with zone_id and name");
        zone.ignore_other_keys();
        return;
    }
    zone.read_plain("zone_id", config.zone_id);
    read_name(zone, config);
    read_cpus(zone, config);
    if (const auto regions = zone.require("memory_regions", "an array of memory regions")) {
        for (const ConfigReader& region : regions->elements(max_memory_regions, "memory regions")) {
            config.memory_regions.push_back(read_region(region));
        }
    }
    read_interrupts(zone, config);
    if (const auto channels = zone.find("ivc_configs")) {
        for (const ConfigReader& channel : channels->elements(max_ivc_configs, "IVC channels")) {
            config.ivc_configs.push_back(read_ivc(channel));
        }
    }
    zone.read("entry_point", config.entry_point);
    read_arch_config(zone, config);
    read_image(zone, ImageRole::kernel, "kernel_filepath", "kernel_load_paddr", config.kernel_load_paddr,
               config.images);
    read_start_options(zone, config, file.start);
    read_modules(zone, config);
    read_pci_config(zone, config);
}

/// What a one-file zone has beside upstream's keys of a zone and the options of its start.
void read_one_file(const ConfigReader& zone, ZoneFile& file) {
    static_cast<void>(zone.find("$schema")); // for editors
    if (const auto devices = zone.require("devices", "an array of virtio devices, which may be empty")) {
        read_virtio_devices(*devices, file.devices);
    }
}

} // namespace

const ImageFile* ZoneConfig::image(ImageRole role) const {
    const auto found = std::ranges::find(images, role, &ImageFile::role);
    return found == images.end() ? nullptr : &*found;
}

std::uint64_t ZoneConfig::cpu_mask() const {
    std::uint64_t mask = 0;
    for (const std::uint32_t cpu : cpus) {
        mask |= std::uint64_t{1} << cpu;
    }
    return mask;
}

std::optional<std::uint64_t> ZoneConfig::hardware_id(std::uint32_t cpu) const {
    const auto* arm64 = std::get_if<Aarch64Config>(&arch);
    return arm64 != nullptr && cpu < arm64->mpidr_mappings.size() ? std::optional(arm64->mpidr_mappings[cpu])
                                                                  : std::nullopt;
}

Form form_of(const JsonDocument& document) {
    return document.root().find("devices") != nullptr ? Form::one_file : Form::upstream;
}

Result<ZoneFile> read_zone_file(const ConfigText& text) {
    auto document = JsonDocument::parse(text);
    if (!document) {
        return std::unexpected(std::move(document).error());
    }
    return read_zone_file(std::move(*document));
}

Result<ZoneFile> read_zone_file(JsonDocument document) {
    ZoneFile file{.document = std::move(document), .config = {}, .devices = {}, .start = {}, .warnings = {}};
    file.form = form_of(file.document);
    Problems problems(file.document, file.form);
    const ConfigReader zone(file.document.root(), "", problems);
    read_zone(zone, file);
    if (file.form == Form::one_file) {
        read_one_file(zone, file);
    }
    problems.check_keys();
    if (!problems.empty()) { // else whoever uses the zone checks it whole
        check_zone(file, problems);
        check_own_devices(file, problems);
    }
    if (auto read = problems.result(); !read) {
        return std::unexpected(std::move(read).error());
    }
    file.warnings = problems.warnings();
    return file;
}

VirtioFile own_devices(const ZoneFile& zone) {
    VirtioFile file{.document = zone.document, .config = {}, .warnings = {}};
    file.config.zones.push_back(
        {.id = zone.config.zone_id, .memory = {}, .devices = zone.devices, .pointer = ""});
    return file;
}

} // namespace hvisor::zone
