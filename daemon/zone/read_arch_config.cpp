// SPDX-License-Identifier: Apache-2.0
#include "zone/read_arch_config.hpp"

#include <algorithm>
#include <format>
#include <limits>
#include <optional>
#include <utility>

namespace hvisor::zone {
namespace {

GicV2 read_gic_v2(const ConfigReader& arch) {
    GicV2 gic;
    arch.read("gicd_base", gic.gicd_base);
    arch.read("gicd_size", gic.gicd_size);
    arch.read("gicc_base", gic.gicc_base);
    arch.read("gicc_size", gic.gicc_size);
    arch.read("gicc_offset", gic.gicc_offset);
    arch.read("gich_base", gic.gich_base);
    arch.read("gich_size", gic.gich_size);
    arch.read("gicv_base", gic.gicv_base);
    arch.read("gicv_size", gic.gicv_size);
    return gic;
}

GicV3 read_gic_v3(const ConfigReader& arch) {
    GicV3 gic;
    arch.read("gicd_base", gic.gicd_base);
    arch.read("gicd_size", gic.gicd_size);
    arch.read("gicr_base", gic.gicr_base);
    arch.read("gicr_size", gic.gicr_size);
    if (arch.find("gits_base") || arch.find("gits_size")) {
        arch.read("gits_base", gic.gits_base);
        arch.read("gits_size", gic.gits_size);
    }
    return gic;
}

/// Upstream's board.rs has the same list as BOARD_MPIDR_MAPPINGS; its zone files have none.
void read_mpidr_mappings(const ConfigReader& arch, Aarch64Config& config) {
    // Aff3 and Aff2 to Aff0: what the "reg" of a CPU's node holds (Linux, bindings/arm/cpus.yaml).
    constexpr std::uint64_t affinity = 0xff00ffffff;
    constexpr std::size_t most_cpus = 64;
    const auto list = arch.form() == Form::one_file ? arch.find("mpidr_mappings") : std::nullopt;
    if (!list) {
        return;
    }
    const auto mappings = list->elements(most_cpus, "the MPIDRs of all CPUs of the board, in their order");
    for (const ConfigReader& mapping : mappings) {
        const auto mpidr = mapping.number(std::numeric_limits<std::uint64_t>::max());
        if (mpidr && (*mpidr & ~affinity) != 0) {
            mapping.problem(
                std::format("{:#x} is no MPIDR; expected its affinity levels alone, the bits of {:#x}",
                            *mpidr, affinity));
        } else if (mpidr && std::ranges::contains(config.mpidr_mappings, *mpidr)) {
            mapping.problem(
                std::format("{:#x} is in the list already; expected another one for each CPU", *mpidr));
        }
        config.mpidr_mappings.push_back(mpidr.value_or(0));
    }
    if (list->is(JsonValue::Kind::array) && mappings.empty()) {
        list->problem("the list is empty; expected the MPIDRs of all CPUs of the board, in their order");
    }
}

Aarch64Config read_aarch64(const ConfigReader& arch) {
    Aarch64Config config;
    // Files from before 2025-09 have no gic_version and mean version 3.
    const auto version = arch.find("gic_version");
    const auto word = version ? version->string(R"("v2" or "v3")") : "v3";
    if (word == "v2") {
        config.gic = read_gic_v2(arch);
    } else if (word == "v3") {
        config.gic = read_gic_v3(arch);
    } else if (word) {
        version->problem(std::format(R"("{}" is no GIC version; expected "v2" or "v3")", *word));
    }
    if (const auto aarch32 = arch.find("is_aarch32")) {
        config.is_aarch32 = aarch32->boolean();
    }
    if (arch.find("memory_map_addr")) {
        UefiConfig uefi;
        arch.read("memory_map_addr", uefi.memory_map_addr);
        arch.read("memory_map_size", uefi.memory_map_size);
        arch.read("sys_map_addr", uefi.sys_map_addr);
        config.uefi = uefi;
    }
    read_mpidr_mappings(arch, config);
    return config;
}

Riscv64Config read_riscv64(const ConfigReader& arch) {
    Riscv64Config config;
    arch.read("plic_base", config.plic_base);
    arch.read("plic_size", config.plic_size);
    arch.read("aplic_base", config.aplic_base);
    arch.read("aplic_size", config.aplic_size);
    return config;
}

/// A file of x86_64's boot chain; all of its keys are there or none.
bool read_boot_file(const ConfigReader& arch, ImageRole role, std::string_view path_name,
                    std::string_view address_name, std::vector<ImageFile>& images) {
    const auto path = arch.find(path_name);
    if (!path) {
        return false;
    }
    ImageFile image{.role = role,
                    .path = path->string("the path of a file").value_or(""),
                    .path_key = path->pointer(),
                    .address_key = arch.key(address_name)};
    arch.read(address_name, image.load_paddr);
    images.push_back(std::move(image));
    return true;
}

X8664Config read_x86_64(const ConfigReader& arch, std::vector<ImageFile>& images) {
    X8664Config config;
    arch.read("ioapic_base", config.ioapic_base);
    arch.read("ioapic_size", config.ioapic_size);
    arch.read("kernel_entry_gpa", config.kernel_entry_gpa);
    read_boot_file(arch, ImageRole::boot, "boot_filepath", "boot_load_paddr", images);
    if (read_boot_file(arch, ImageRole::setup, "setup_filepath", "setup_load_hpa", images)) {
        arch.read("setup_load_gpa", config.setup_load_gpa);
    }
    if (read_boot_file(arch, ImageRole::initrd, "initrd_filepath", "initrd_load_hpa", images)) {
        arch.read("initrd_load_gpa", config.initrd_load_gpa);
    }
    if (const auto cmdline = arch.find("cmdline")) {
        config.cmdline = cmdline->string("the kernel's command line");
        arch.read("cmdline_load_hpa", config.cmdline_load_hpa);
        arch.read("cmdline_load_gpa", config.cmdline_load_gpa);
    }
    arch.read("rsdp_memory_region_id", config.rsdp_memory_region_id);
    arch.read("acpi_memory_region_id", config.acpi_memory_region_id);
    arch.read("uefi_memory_region_id", config.uefi_memory_region_id);
    arch.read("screen_base", config.screen_base);
    return config;
}

PciBus read_pci_bus(const ConfigReader& value, bool needs_bus_range) {
    PciBus bus;
    if (!value.require_object("the ranges of one PCI host bridge")) {
        return bus;
    }
    value.read("ecam_base", bus.ecam_base);
    value.read("ecam_size", bus.ecam_size);
    value.read("io_base", bus.io_base);
    value.read("io_size", bus.io_size);
    value.read("pci_io_base", bus.pci_io_base);
    value.read("mem32_base", bus.mem32_base);
    value.read("mem32_size", bus.mem32_size);
    value.read("pci_mem32_base", bus.pci_mem32_base);
    value.read("mem64_base", bus.mem64_base);
    value.read("mem64_size", bus.mem64_size);
    value.read("pci_mem64_base", bus.pci_mem64_base);
    if (needs_bus_range || value.find("bus_range_begin")) {
        value.read("bus_range_begin", bus.bus_range_begin);
        value.read("bus_range_end", bus.bus_range_end);
        value.read("domain", bus.domain);
    } else {
        // Upstream's forms from before 2026 knew all buses of domain 0 and no part of them.
        bus.bus_range_end = static_cast<std::uint32_t>(bus.ecam_size >> 20U) - (bus.ecam_size == 0 ? 0 : 1);
    }
    return bus;
}

struct PciPlace {
    std::uint8_t bus = 0, device = 0, function = 0;
};

/// bus << 8 | device << 3 | function.
PciPlace read_bdf(const ConfigReader& value) {
    std::uint16_t bdf = 0;
    value.read(bdf);
    return {static_cast<std::uint8_t>(bdf >> 8U), static_cast<std::uint8_t>((bdf >> 3U) & 0x1fU),
            static_cast<std::uint8_t>(bdf & 0x7U)};
}

/// The forms from before 2026: a number, or of a branch of 2025-09 an object with bdf and vbdf.
std::optional<PciDevice> read_old_pci_device(const ConfigReader& value) {
    const bool is_number = value.is(JsonValue::Kind::number);
    const auto bdf = is_number ? std::nullopt : value.find("bdf");
    if (value.form() == Form::one_file || (!is_number && !bdf)) {
        return std::nullopt;
    }
    const PciPlace place = read_bdf(is_number ? value : *bdf);
    const auto vbdf = is_number ? std::nullopt : value.find("vbdf");
    const PciPlace seen = vbdf ? read_bdf(*vbdf) : place;
    return PciDevice{.bus = place.bus,
                     .device = place.device,
                     .function = place.function,
                     .v_bus = seen.bus,
                     .v_device = seen.device,
                     .v_function = seen.function};
}

PciDevice read_pci_device(const ConfigReader& value) {
    if (const auto old = read_old_pci_device(value)) {
        return *old;
    }
    PciDevice device;
    if (!value.require_object("domain, bus, device, function and dev_type")) {
        return device;
    }
    value.read("domain", device.domain);
    value.read("bus", device.bus);
    value.read("device", device.device);
    value.read("function", device.function);
    value.read("dev_type", device.dev_type);
    // Absent in files from before 2026-06: the guest sees the device where it is.
    const auto read_virtual = [&value](std::string_view name, std::uint8_t& target, std::uint8_t physical) {
        target = physical;
        if (const auto found = value.find(name)) {
            found->read(target);
        }
    };
    read_virtual("v_bus", device.v_bus, device.bus);
    read_virtual("v_device", device.v_device, device.device);
    read_virtual("v_function", device.v_function, device.function);
    return device;
}

/// Upstream knows one word for the protocol, warns of others and boots as usual.
void refuse_multiboot(const ConfigReader& zone) {
    if (zone.form() == Form::one_file) {
        return;
    }
    // Hypercall 8 tells the hypervisor where Multiboot2's information is; what has to be in it,
    // and who writes it, is in none of its public sources (section 2.3).
    constexpr std::string_view refusal =
        "this hvisord starts no Multiboot2 guests, because what the hypervisor has to be told of one is not "
        "published; remove this key for a normal boot";
    if (const auto protocol = zone.find("boot_protocol")) {
        if (protocol->string("the name of a boot protocol") == "multiboot2") {
            protocol->problem(refusal);
        } else {
            protocol->warn("there is no such protocol; the guest boots as without this key");
        }
    }
    if (const auto enabled = zone.find("multiboot_enabled"); enabled && enabled->boolean()) {
        enabled->problem(refusal);
    }
}

enum class Arch { arm64, riscv64, loongarch64, x86_64 };

constexpr Arch native_arch =
#ifdef __loongarch64
    Arch::loongarch64;
#elifdef __riscv
    Arch::riscv64;
#elifdef __x86_64__
    Arch::x86_64;
#else
    Arch::arm64;
#endif

std::string_view name_of(Arch arch) {
    switch (arch) {
    case Arch::arm64:
        return "arm64";
    case Arch::riscv64:
        return "riscv64";
    case Arch::loongarch64:
        return "loongarch64";
    case Arch::x86_64:
        return "x86_64";
    }
    std::unreachable();
}

/// Upstream's tool ignores the key, so what its files say there is a hint at most.
std::optional<Arch> read_arch(const ConfigReader& zone) {
    constexpr std::string_view expected = R"("arm64", "riscv64", "loongarch64" or "x86_64")";
    const auto value = zone.find("arch");
    if (!value || (zone.form() == Form::upstream && !value->is(JsonValue::Kind::string))) {
        return std::nullopt;
    }
    const auto word = value->string(expected);
    for (const Arch arch : {Arch::arm64, Arch::riscv64, Arch::loongarch64, Arch::x86_64}) {
        if (word == name_of(arch)) {
            return arch;
        }
    }
    if (word && zone.form() == Form::one_file) {
        value->problem(std::format(R"("{}" is no architecture; expected {})", *word, expected));
    }
    return std::nullopt;
}

/// Whose interrupt controller the keys are of.
std::optional<Arch> arch_of_keys(const ConfigReader& arch) {
    if (arch.has_key_like("plic_") || arch.has_key_like("aplic_")) {
        return Arch::riscv64;
    }
    if (arch.has_key_like("ioapic_")) {
        return Arch::x86_64;
    }
    return arch.has_key_like("gic") ? std::optional(Arch::arm64) : std::nullopt;
}

} // namespace

void read_arch_config(const ConfigReader& zone, ZoneConfig& config) {
    constexpr std::string_view expected = "the interrupt controller's keys, such as gicd_base";
    const auto named = read_arch(zone);
    if (named == Arch::loongarch64) {
        config.arch = Loongarch64Config{};
    }
    // Nothing is read from it for loongarch64, so it may be missing there.
    const auto arch = named.value_or(native_arch) == Arch::loongarch64
                          ? zone.find("arch_config")
                          : zone.require("arch_config", expected);
    if (!arch || !arch->require_object(expected)) {
        return;
    }
    const auto found = arch_of_keys(*arch);
    if (zone.form() == Form::one_file && found && named && *found != *named) {
        arch->problem(std::format(R"(these are the keys of {}, and "arch" says {}; expected those of one)",
                                  name_of(*found), name_of(*named)));
        arch->ignore_other_keys();
        return;
    }
    if (!found && !named && zone.form() == Form::one_file) {
        arch->problem(
            R"(these keys are of no architecture; expected some, or "arch": "loongarch64" beside it)");
        arch->ignore_other_keys();
        return;
    }
    switch (found.value_or(named.value_or(Arch::loongarch64))) {
    case Arch::arm64:
        config.arch = read_aarch64(*arch);
        break;
    case Arch::riscv64:
        config.arch = read_riscv64(*arch);
        break;
    case Arch::x86_64:
        refuse_multiboot(zone);
        config.arch = read_x86_64(*arch, config.images);
        break;
    case Arch::loongarch64:
        config.arch = Loongarch64Config{};
        break;
    }
}

void read_pci_config(const ConfigReader& zone, ZoneConfig& config) {
    if (const auto buses = zone.find("pci_config")) {
        if (buses->is(JsonValue::Kind::object) && zone.form() == Form::upstream) {
            config.pci_config.push_back(read_pci_bus(*buses, false));
        } else {
            for (const ConfigReader& bus : buses->elements(max_pci_buses, "PCI host bridges")) {
                config.pci_config.push_back(read_pci_bus(bus, zone.form() == Form::one_file));
            }
        }
    }
    if (const auto devices = zone.find("alloc_pci_devs")) {
        for (const ConfigReader& device : devices->elements(max_pci_devices, "PCI devices")) {
            config.alloc_pci_devs.push_back(read_pci_device(device));
        }
    }
}

} // namespace hvisor::zone
