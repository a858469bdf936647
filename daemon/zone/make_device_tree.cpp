// SPDX-License-Identifier: Apache-2.0
#include "zone/make_device_tree.hpp"

#include "zone/device_tree.hpp"
#include "zone/device_tree_editor.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <iterator>
#include <ranges>
#include <set>

namespace hvisor::zone {
namespace {

constexpr std::uint32_t gic_phandle = 1;
constexpr std::uint32_t first_spi = 32;

/// "reg" and the like, in the root node's cells.
class RootCells {
  public:
    explicit RootCells(const DeviceTreeEditor& tree)
        : address_cells_(tree.cell("/", "#address-cells", 2)),
          size_cells_(tree.cell("/", "#size-cells", 1)) {}

    [[nodiscard]] bool are_usable() const {
        return address_cells_ >= 1 && address_cells_ <= 2 && size_cells_ >= 1 && size_cells_ <= 2;
    }
    [[nodiscard]] bool can_hold(std::uint64_t address, std::uint64_t size) const {
        return (address_cells_ == 2 || address <= UINT32_MAX) && (size_cells_ == 2 || size <= UINT32_MAX);
    }
    [[nodiscard]] std::vector<std::uint32_t> reg(std::uint64_t address, std::uint64_t size) const {
        std::vector<std::uint32_t> cells;
        append(cells, address, address_cells_);
        append(cells, size, size_cells_);
        return cells;
    }

    static void append(std::vector<std::uint32_t>& cells, std::uint64_t value, std::uint32_t count) {
        if (count == 2) {
            cells.push_back(static_cast<std::uint32_t>(value >> 32U));
        }
        cells.push_back(static_cast<std::uint32_t>(value));
    }

  private:
    std::uint32_t address_cells_;
    std::uint32_t size_cells_;
};

/// How the root node's interrupt controller wants an interrupt of the zone
/// file written. The guest takes each as an edge: that is how hvisor injects.
Result<std::vector<std::uint32_t>> interrupt_cells(std::uint32_t interrupt, std::uint32_t count) {
    constexpr std::uint32_t rising_edge = 1;
    constexpr std::uint32_t high_level = 4;
    switch (count) {
    case 1: // RISC-V's PLIC, LoongArch's CPU
        return std::vector{interrupt};
    case 2: // RISC-V's APLIC
        return std::vector{interrupt, high_level};
    case 3: // arm,gic: 0 for an SPI, its number, flags
        if (interrupt < first_spi) {
            return fail(ErrorCode::invalid_config, "interrupt {} belongs to one CPU; expected one from {} on",
                        interrupt, first_spi);
        }
        return std::vector{0U, interrupt - first_spi, rising_edge};
    default:
        return fail(ErrorCode::invalid_config,
                    "the source's interrupt controller has {} cells an interrupt; expected 1, 2 or 3", count);
    }
}

Result<void> add_memory(DeviceTreeEditor& tree, const ZoneConfig& zone) {
    const RootCells cells(tree);
    for (const MemoryRegion& region : zone.memory_regions | std::views::reverse) {
        if (region.type != RegionType::ram) {
            continue;
        }
        if (!cells.can_hold(region.virtual_start, region.size)) {
            return fail(ErrorCode::invalid_config,
                        "the source's root node has no room for RAM at {:#x}; expected #address-cells and "
                        "#size-cells of 2",
                        region.virtual_start);
        }
        const std::string node = std::format("/memory@{:x}", region.virtual_start);
        tree.node(node);
        tree.set_text(node, "device_type", "memory");
        tree.set_cells(node, "reg", cells.reg(region.virtual_start, region.size));
    }
    return {};
}

Result<void> add_devices(DeviceTreeEditor& tree, const std::vector<VirtioDevice>& devices) {
    const RootCells cells(tree);
    const std::string controller = tree.node_of(tree.cell("/", "interrupt-parent", 0));
    if (controller.empty() && !devices.empty()) {
        return fail(ErrorCode::invalid_config,
                    "the source's root node names no interrupt controller; expected interrupt-parent");
    }
    for (const VirtioDevice& device : devices | std::views::reverse) {
        const auto interrupt =
            interrupt_cells(device.interrupt, tree.cell(controller, "#interrupt-cells", 0));
        if (!interrupt) {
            return std::unexpected(interrupt.error());
        }
        if (!cells.can_hold(device.address, device.length)) {
            return fail(
                ErrorCode::invalid_config,
                "the source's root node has no room for a device at {:#x}; expected #address-cells of 2",
                device.address);
        }
        const std::string node = std::format("/virtio_mmio@{:x}", device.address);
        tree.node(node);
        tree.set_text(node, "compatible", "virtio,mmio");
        tree.set_cells(node, "reg", cells.reg(device.address, device.length));
        tree.set_cells(node, "interrupts", *interrupt);
        tree.set_flag(node, "dma-coherent");
    }
    return {};
}

void set_chosen(DeviceTreeEditor& tree, const TreeContent& content) {
    tree.node("/chosen");
    if (content.cmdline) {
        tree.set_text("/chosen", "bootargs", *content.cmdline);
    }
    if (content.initrd) {
        const auto set = [&tree](const char* property, std::uint64_t value) {
            std::vector<std::uint32_t> cells;
            RootCells::append(cells, value, 2);
            tree.set_cells("/chosen", property, cells);
        };
        set("linux,initrd-start", content.initrd->address);
        set("linux,initrd-end", content.initrd->address + content.initrd->size);
    }
}

std::set<std::uint32_t> cpu_set(const ZoneConfig& zone) {
    return {zone.cpus.begin(), zone.cpus.end()};
}

void add_cpus(DeviceTreeEditor& tree, const ZoneConfig& zone) {
    tree.node("/cpus");
    // Two cells hold the highest affinity level, too (Linux, bindings/arm/cpus.yaml).
    tree.set_cell("/cpus", "#address-cells", 2);
    tree.set_cell("/cpus", "#size-cells", 0);
    for (const std::uint32_t cpu : cpu_set(zone) | std::views::reverse) {
        const std::uint64_t mpidr = zone.hardware_id(cpu).value_or(cpu);
        const std::string node = std::format("/cpus/cpu@{:x}", mpidr);
        std::vector<std::uint32_t> reg;
        RootCells::append(reg, mpidr, 2);
        tree.node(node);
        tree.set_text(node, "device_type", "cpu");
        tree.set_text(node, "compatible", "arm,armv8");
        tree.set_cells(node, "reg", reg);
        tree.set_text(node, "enable-method", "psci");
    }
}

/// What an interrupt controller's node has: where its two parts are, and its kind.
struct GicNode {
    const char* compatible;
    std::uint64_t distributor, distributor_size;
    std::uint64_t second, second_size; ///< redistributors or CPU interface
};

GicNode gic_node(const Aarch64Config& arch) {
    if (const auto* v2 = std::get_if<GicV2>(&arch.gic)) {
        return {"arm,cortex-a15-gic", v2->gicd_base, v2->gicd_size, v2->gicc_base, v2->gicc_size};
    }
    // No ITS although the hardware has one: hvisor does not get over a second
    // start of a guest that used it.
    const auto& v3 = std::get<GicV3>(arch.gic);
    return {"arm,gic-v3", v3.gicd_base, v3.gicd_size, v3.gicr_base, v3.gicr_size};
}

void add_gic(DeviceTreeEditor& tree, const Aarch64Config& arch) {
    const RootCells cells(tree);
    const GicNode gic = gic_node(arch);
    const std::string node = std::format("/interrupt-controller@{:x}", gic.distributor);
    tree.node(node);
    tree.set_text(node, "compatible", gic.compatible);
    tree.set_cell(node, "#interrupt-cells", 3);
    tree.set_flag(node, "interrupt-controller");
    tree.set_cell(node, "phandle", gic_phandle);
    auto reg = cells.reg(gic.distributor, gic.distributor_size);
    std::ranges::copy(cells.reg(gic.second, gic.second_size), std::back_inserter(reg));
    tree.set_cells(node, "reg", reg);
}

void add_platform(DeviceTreeEditor& tree, const ZoneConfig& zone) {
    tree.set_text("/", "compatible", "linux,dummy-virt");
    tree.set_text("/", "model", std::format("hvisor zone {}", zone.name));
    tree.set_cell("/", "#address-cells", 2);
    tree.set_cell("/", "#size-cells", 2);
    tree.set_cell("/", "interrupt-parent", gic_phandle);

    // A zone's secondary CPUs are started by PSCI, and by SMC (hvisor interface, 9.2).
    tree.node("/psci");
    tree.set_texts("/psci", "compatible", {"arm,psci-1.0", "arm,psci-0.2"});
    tree.set_text("/psci", "method", "smc");

    tree.node("/timer");
    tree.set_text("/timer", "compatible", "arm,armv8-timer");
    // Secure, non-secure, virtual and hypervisor timer, level triggered: PPIs of every arm64 board.
    tree.set_cells("/timer", "interrupts",
                   std::array<std::uint32_t, 12>{1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4});
    tree.set_flag("/timer", "always-on");
}

/// The CPUs of the source that are the zone's, by their hardware ids where those
/// are known, else by their position; nothing where the source has not all of them.
std::optional<std::set<std::size_t>> find_cpus(const std::vector<TreeCpu>& cpus, const ZoneConfig& zone) {
    std::set<std::size_t> mine;
    const auto wanted = cpu_set(zone);
    for (const std::uint32_t cpu : wanted) {
        const auto id = zone.hardware_id(cpu);
        mine.insert(
            id ? static_cast<std::size_t>(std::ranges::find(cpus, *id, &TreeCpu::hardware_id) - cpus.begin())
               : cpu);
    }
    const bool has_all = !mine.empty() && mine.size() == wanted.size() && *mine.rbegin() < cpus.size();
    return has_all ? std::optional(mine) : std::nullopt;
}

std::string ids_of(const std::vector<TreeCpu>& cpus) {
    std::string text;
    for (const TreeCpu& cpu : cpus) {
        text += std::format("{}{:#x}", text.empty() ? "" : ", ", cpu.hardware_id);
    }
    return text;
}

/// Take the CPUs away that are not the zone's.
Result<void> pick_cpus(DeviceTreeEditor& tree, const std::vector<TreeCpu>& cpus, const ZoneConfig& zone) {
    const auto wanted = cpu_set(zone);
    const bool knows_ids = !wanted.empty() && zone.hardware_id(*wanted.rbegin());
    if (!knows_ids && cpus.size() == wanted.size()) {
        return {}; // a tree of the zone's own
    }
    const auto mine = find_cpus(cpus, zone);
    if (!mine && knows_ids) {
        return fail(
            ErrorCode::invalid_config,
            "the source has CPUs with the ids {}, and mpidr_mappings says that the zone's are others; "
            "expected the zone's CPUs, or all of the board",
            ids_of(cpus));
    }
    if (!mine) {
        return fail(ErrorCode::invalid_config,
                    "the source has {} CPUs and the zone {}; expected the zone's CPUs, or all of the board",
                    cpus.size(), wanted.size());
    }
    if (mine->size() == cpus.size()) {
        return {};
    }
    for (std::size_t i = 0; i < cpus.size(); ++i) {
        if (!mine->contains(i)) {
            tree.remove_node(cpus[i].node);
        }
    }
    // It names CPUs that are no longer there.
    tree.remove_node("/cpus/cpu-map");
    return {};
}

} // namespace

Result<std::vector<std::byte>> generate_device_tree(const TreeContent& content) {
    const auto* arch = std::get_if<Aarch64Config>(&content.zone.arch);
    if (arch == nullptr || arch->is_aarch32) {
        return fail(ErrorCode::invalid_config, "a device tree is generated for 64-bit arm zones only; "
                                               "expected \"patch\" and a device tree blob");
    }
    DeviceTreeEditor tree;
    add_platform(tree, content.zone);
    add_gic(tree, *arch);
    add_cpus(tree, content.zone);
    set_chosen(tree, content);
    return add_memory(tree, content.zone)
        .and_then([&] { return add_devices(tree, content.devices); })
        .and_then([&] { return tree.finish(); });
}

Result<std::vector<std::byte>> patch_device_tree(std::span<const std::byte> source,
                                                 const TreeContent& content) {
    const auto known = read_device_tree(source);
    if (!known) {
        return std::unexpected(known.error());
    }
    DeviceTreeEditor tree(source);
    if (!RootCells(tree).are_usable()) {
        return fail(ErrorCode::invalid_config,
                    "the source's root node has other than 1 or 2 cells for addresses and sizes");
    }
    // Nodes of several ranges have several entries.
    std::set<std::string> old;
    for (const TreeMemory& memory : known->memory) {
        old.insert(memory.node);
    }
    for (const TreeVirtio& device : known->virtio) {
        old.insert(device.node);
    }
    for (const std::string& node : old) {
        tree.remove_node(node);
    }
    set_chosen(tree, content);
    return pick_cpus(tree, known->cpus, content.zone)
        .and_then([&] { return add_memory(tree, content.zone); })
        .and_then([&] { return add_devices(tree, content.devices); })
        .and_then([&] { return tree.finish(); });
}

} // namespace hvisor::zone
