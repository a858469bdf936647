// SPDX-License-Identifier: Apache-2.0
#include "zone/config_reader.hpp"
#include "zone/read_block_config.hpp"
#include "zone/read_gpu_config.hpp"
#include "zone/read_input_config.hpp"
#include "zone/read_limits.hpp"
#include "zone/read_net_config.hpp"
#include "zone/read_virtio_device.hpp"
#include "zone/virtio_config.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <utility>

namespace hvisor::zone {
namespace {

constexpr std::uint64_t max_zones = 32;
constexpr std::size_t max_ram_mappings = 64;
constexpr std::size_t max_devices = 32;
constexpr std::size_t max_ports = 6;
constexpr std::size_t max_port_name = 64;
/// The others have meanings of their own in Linux (VMADDR_CID_...).
constexpr std::uint64_t least_cid = 3;
constexpr std::uint64_t largest_cid = 0xfffffffe;

/// Devices of upstream that this version has no model for.
bool is_unsupported_type(std::string_view word) {
    return word == "scmi";
}

std::optional<DeviceType> read_type(const ConfigReader& device) {
    constexpr std::string_view types = R"("blk", "console", "gpu", "input", "net", "rng" or "vsock")";
    const auto value = device.require("type", types);
    const auto word = value ? value->string(types) : std::nullopt;
    if (word == "blk") {
        return DeviceType::block;
    }
    if (word == "console") {
        return DeviceType::console;
    }
    if (word == "gpu") {
        return DeviceType::gpu;
    }
    if (word == "input") {
        return DeviceType::input;
    }
    if (word == "net") {
        return DeviceType::net;
    }
    if (word == "rng") {
        return DeviceType::entropy;
    }
    if (word == "vsock") {
        return DeviceType::vsock;
    }
    if (word && is_unsupported_type(*word)) {
        value->problem(std::format(
            R"(this version has no {} device; expected {}, or the status "disable" for this device)", *word,
            types));
    } else if (word) {
        value->problem(std::format(R"("{}" is no type of device; expected {})", *word, types));
    }
    return std::nullopt;
}

/// Linux makes a file name of it (/dev/virtio-ports/NAME).
bool is_port_name(std::string_view name) {
    return !name.empty() && name.size() <= max_port_name && name != "." && name != ".." &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~' && c != '/'; });
}

void read_ports(const ConfigReader& device, std::vector<VirtioPort>& ports) {
    const auto value = device.find("ports");
    if (!value) {
        return;
    }
    for (const ConfigReader& element : value->elements(max_ports, "ports beside the console's own")) {
        if (!element.require_object("name, and console where it is a terminal")) {
            continue;
        }
        VirtioPort port;
        port.name = element.read_string("name", "the name by which the guest finds the port");
        const auto name = element.find("name");
        if (name && name->is(JsonValue::Kind::string) && !is_port_name(port.name)) {
            name->problem(
                std::format("expected 1 to {} printable characters without blanks and /", max_port_name));
        } else if (name && std::ranges::contains(ports, port.name, &VirtioPort::name)) {
            name->problem(std::format("a port called {} is there already", port.name));
        }
        if (const auto console = element.find("console")) {
            port.is_console = console->boolean();
        }
        ports.push_back(std::move(port));
    }
}

/// Upstream requires the key and skips a device that is disabled; in the
/// one-file form it may be missing, and what a disabled device says has to be right, too.
bool read_is_disabled(const ConfigReader& device) {
    constexpr std::string_view expected = R"("enable" or "disable")";
    if (device.form() == Form::upstream) {
        return device.read_string("status", expected) == "disable";
    }
    const auto status = device.find("status");
    const auto word = status ? status->string(expected) : std::nullopt;
    if (word && word != "enable" && word != "disable") {
        status->problem(std::format(R"("{}" is none of the words for this; expected {})", *word, expected));
    }
    return word == "disable";
}

bool is_unsupported(const ConfigReader& device) {
    const auto type = device.find("type");
    return type && type->is(JsonValue::Kind::string) && is_unsupported_type(type->string("").value_or(""));
}

std::uint32_t read_cid(const ConfigReader& device) {
    const auto value = device.require(
        "cid", std::format("the zone's address for sockets, {} to {}", least_cid, largest_cid));
    const auto number = value ? value->number(largest_cid) : std::nullopt;
    if (number && *number < least_cid) {
        value->problem(
            std::format("the cid {} is not for guests; expected {} to {}", *number, least_cid, largest_cid));
    }
    return static_cast<std::uint32_t>(number.value_or(0));
}

void read_device(const ConfigReader& value, std::vector<VirtioDevice>& devices,
                 std::vector<std::string>& disabled) {
    if (!value.require_object("type, addr, len, irq and status")) {
        return;
    }
    const bool is_disabled = read_is_disabled(value);
    if (is_disabled) {
        disabled.push_back(value.pointer());
    }
    if (is_disabled && (value.form() == Form::upstream || is_unsupported(value))) {
        value.ignore_other_keys();
        return;
    }
    VirtioDevice device;
    device.pointer = value.pointer();
    const auto type = read_type(value);
    value.read_non_zero("addr", device.address);
    value.read_non_zero("len", device.length);
    value.read_non_zero("irq", device.interrupt);
    if (!type) {
        value.ignore_other_keys(); // which belong here is not known
    }
    if (type == DeviceType::block) {
        device.block = read_block_config(value);
    }
    if (type == DeviceType::net) {
        device.net = read_net_config(value);
    }
    if (type == DeviceType::gpu) {
        device.gpu = read_gpu_config(value);
    }
    if (type == DeviceType::input) {
        device.input = read_input_config(value);
    }
    if (type == DeviceType::console) {
        read_ports(value, device.ports);
        if (const auto journal = value.find("journal")) {
            device.journal = journal->boolean();
        }
    }
    if (type == DeviceType::entropy) {
        device.entropy_limit = read_limit(value, "rate_limit", "requests");
    }
    if (type == DeviceType::vsock) {
        device.cid = read_cid(value);
    }
    device.type = type.value_or(DeviceType::console);
    if (!is_disabled) {
        devices.push_back(std::move(device));
    }
}

RamMapping read_mapping(const ConfigReader& value) {
    RamMapping mapping;
    mapping.pointer = value.pointer();
    if (value.require_object("zone0_ipa, zonex_ipa and size")) {
        value.read("zone0_ipa", mapping.zone0_ipa);
        value.read("zonex_ipa", mapping.zonex_ipa);
        value.read("size", mapping.size);
    }
    return mapping;
}

VirtioZone read_zone(const ConfigReader& value) {
    VirtioZone zone;
    zone.pointer = value.pointer();
    if (!value.require_object("id, memory_region and devices")) {
        return zone;
    }
    if (const auto id = value.require("id", "the zone_id of the zone, 1 to 31")) {
        const auto number = id->number(max_zones - 1);
        zone.id = static_cast<std::uint32_t>(number.value_or(0));
        if (number == 0) {
            id->problem("zone 0 is the root zone, which has its devices from the machine; expected 1 to 31");
        }
    }
    if (const auto memory = value.require("memory_region", "an array of guest RAM ranges")) {
        for (const ConfigReader& range : memory->elements(max_ram_mappings, "guest RAM ranges")) {
            RamMapping mapping = read_mapping(range);
            if (mapping.size != 0) { // upstream skips such an entry
                zone.memory.push_back(std::move(mapping));
            }
        }
    }
    if (const auto devices = value.require("devices", "an array of devices")) {
        zone.disabled = read_virtio_devices(*devices, zone.devices);
    }
    return zone;
}

void read_zones(const ConfigReader& root, VirtioConfig& config) {
    if (!root.require_object(R"(the array "zones")")) {
        return;
    }
    const auto zones = root.require("zones", "an array of zones with their devices");
    if (!zones) {
        return;
    }
    for (const ConfigReader& value : zones->elements(max_zones, "zones")) {
        VirtioZone zone = read_zone(value);
        if (zone.id != 0 && config.zone(zone.id) != nullptr) {
            value.problem(
                std::format("zone {} is described a second time; expected one element a zone", zone.id));
        }
        config.zones.push_back(std::move(zone));
    }
}

/// A cid is an address of the whole machine.
void check_cids(const VirtioConfig& config, Problems& problems) {
    std::map<std::uint32_t, std::uint32_t> zones;
    for (const VirtioZone& zone : config.zones) {
        for (const VirtioDevice& device : zone.devices) {
            if (device.type != DeviceType::vsock || device.cid == 0) {
                continue;
            }
            if (const auto [other, is_new] = zones.emplace(device.cid, zone.id); !is_new) {
                problems.add(device.pointer + "/cid",
                             std::format("the cid {} is zone {}'s already; expected one of its own for "
                                         "every zone",
                                         device.cid, other->second));
            }
        }
    }
}

/// Linux's driver for sockets takes one and refuses the next; and the screens of a zone are one desktop.
void check_at_most_one(const ConfigReader& array, const std::vector<VirtioDevice>& devices, DeviceType type,
                       std::string_view word) {
    if (std::ranges::count(devices, type, &VirtioDevice::type) > 1) {
        array.problem(std::format("there are several {} devices; expected at most one a zone", word));
    }
}

} // namespace

std::vector<std::string> read_virtio_devices(const ConfigReader& array, std::vector<VirtioDevice>& devices) {
    std::vector<std::string> disabled;
    for (const ConfigReader& device : array.elements(max_devices, "devices")) {
        read_device(device, devices, disabled);
    }
    check_at_most_one(array, devices, DeviceType::vsock, "vsock");
    check_at_most_one(array, devices, DeviceType::gpu, "gpu");
    return disabled;
}

Result<DeviceFile> read_virtio_device(const ConfigText& text) {
    auto document = JsonDocument::parse(text);
    if (!document) {
        return std::unexpected(std::move(document).error());
    }
    Problems problems(*document, Form::one_file);
    std::vector<VirtioDevice> devices;
    std::vector<std::string> disabled;
    read_device(ConfigReader(document->root(), "", problems), devices, disabled);
    if (!disabled.empty()) {
        problems.add("/status", "this device is disabled; expected \"enable\" for one that is attached");
    }
    problems.check_keys();
    if (auto read = problems.result(); !read) {
        return std::unexpected(std::move(read).error());
    }
    return DeviceFile{std::move(*document), std::move(devices.at(0))};
}

const VirtioZone* VirtioConfig::zone(std::uint32_t id) const {
    const auto found = std::ranges::find(zones, id, &VirtioZone::id);
    return found == zones.end() ? nullptr : &*found;
}

std::span<const VirtioDevice> VirtioConfig::devices_of(std::uint32_t id) const {
    const VirtioZone* found = zone(id);
    return found == nullptr ? std::span<const VirtioDevice>{} : found->devices;
}

Result<VirtioFile> read_virtio_config(const ConfigText& text) {
    return JsonDocument::parse(text).and_then(
        [](JsonDocument&& document) { return read_virtio_config(std::move(document)); });
}

Result<VirtioFile> read_virtio_config(JsonDocument document) {
    Problems problems(document);
    VirtioConfig config;
    read_zones(ConfigReader(document.root(), "", problems), config);
    check_cids(config, problems);
    problems.check_keys();
    if (auto read = problems.result(); !read) {
        return std::unexpected(std::move(read).error());
    }
    return VirtioFile{std::move(document), std::move(config), problems.warnings()};
}

} // namespace hvisor::zone
