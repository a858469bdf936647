// SPDX-License-Identifier: Apache-2.0
#include "zone/make_device_tree.hpp"
#include "zone/device_tree.hpp"
#include "zone/device_tree_editor.hpp"
#include "zone/zone_file.hpp"
#include "zone_text.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <format>
#include <libfdt.h>
#include <string>
#include <string_view>
#include <vector>

namespace make_device_tree_test {

using namespace hvisor::zone;
using test::good_virtio;
using test::good_zone;

namespace {

struct Zone {
    ZoneConfig config = [] {
        auto zone = read_zone_file(ConfigText{"z.json", std::string(good_zone)});
        REQUIRE(zone);
        return std::move(zone->config);
    }();
    std::vector<VirtioDevice> devices = [] {
        auto virtio = read_virtio_config(ConfigText{"v.json", std::string(good_virtio)});
        REQUIRE(virtio);
        return std::move(virtio->config.zones.at(0).devices);
    }();

    [[nodiscard]] TreeContent content() const { return {.zone = config, .devices = devices}; }
};

/// A property as text, its zeros shown as '|'.
std::string property(std::span<const std::byte> blob, const char* node, const char* name) {
    int length = 0;
    const int offset = ::fdt_path_offset(blob.data(), node);
    const auto* value =
        static_cast<const char*>(offset < 0 ? nullptr : ::fdt_getprop(blob.data(), offset, name, &length));
    if (value == nullptr) {
        return "none";
    }
    std::string text(value, static_cast<std::size_t>(length));
    std::ranges::replace(text, '\0', '|');
    return text;
}

std::string cells(std::span<const std::byte> blob, const char* node, const char* name) {
    int length = 0;
    const int offset = ::fdt_path_offset(blob.data(), node);
    const auto* value =
        static_cast<const fdt32_t*>(offset < 0 ? nullptr : ::fdt_getprop(blob.data(), offset, name, &length));
    std::string text;
    for (int i = 0; value != nullptr && i < length / 4; ++i) {
        text += std::format("{}{:x}", i == 0 ? "" : " ", ::fdt32_ld(value + i));
    }
    return text;
}

std::string problem(const hvisor::Result<std::vector<std::byte>>& blob) {
    return blob ? "" : blob.error().message;
}

/// A board's own tree with four CPUs, 64 MiB too much and a device that is not ours.
std::vector<std::byte> board_tree(std::uint32_t cpus = 4, std::uint32_t interrupt_cells = 3) {
    DeviceTreeEditor tree;
    tree.set_cell("/", "#address-cells", 2);
    tree.set_cell("/", "#size-cells", 2);
    tree.set_cell("/", "interrupt-parent", 9);
    for (const char* node :
         {"/memory@0", "/cpus", "/cpus/cpu-map", "/gic", "/soc", "/soc/virtio@1000", "/chosen"}) {
        tree.node(node);
    }
    tree.set_text("/memory@0", "device_type", "memory");
    tree.set_cells("/memory@0", "reg", std::vector<std::uint32_t>{0, 0, 0, 0x4000000});
    tree.set_cell("/cpus", "#address-cells", 1);
    tree.set_cell("/cpus", "#size-cells", 0);
    for (std::uint32_t i = cpus; i-- > 0;) { // a new node stands before the others
        const std::string node = std::format("/cpus/cpu@{:x}", i * 0x100);
        tree.node(node);
        tree.set_text(node, "device_type", "cpu");
        tree.set_cell(node, "reg", i * 0x100);
    }
    tree.set_cell("/gic", "phandle", 9);
    tree.set_cell("/gic", "#interrupt-cells", interrupt_cells);
    tree.set_flag("/soc", "ranges");
    tree.set_text("/soc/virtio@1000", "compatible", "virtio,mmio");
    tree.set_text("/chosen", "bootargs", "quiet");
    auto blob = tree.finish();
    REQUIRE(blob);
    return std::move(*blob);
}

} // namespace

TEST_CASE("a generated device tree has what the zone has, and nothing else") {
    const Zone zone;
    auto content = zone.content();
    content.cmdline = "console=hvc0 root=/dev/vda";
    content.initrd = GuestInitrd{.address = 0x58000000, .size = 0x123456};
    const auto blob = generate_device_tree(content);
    INFO(problem(blob));
    REQUIRE(blob);
    const auto tree = read_device_tree(*blob);
    REQUIRE(tree);

    REQUIRE(tree->memory.size() == 1);
    CHECK(tree->memory[0].address == 0x50000000);
    CHECK(tree->memory[0].size == 0x30000000);
    REQUIRE(tree->cpus.size() == 2);
    CHECK(tree->cpus[0].hardware_id == 2);
    CHECK(tree->cpus[1].hardware_id == 3);
    REQUIRE(tree->virtio.size() == 2);
    CHECK(tree->virtio[0].address == 0xa003800);
    CHECK(tree->virtio[0].length == 0x200);
    CHECK(tree->virtio[0].interrupt == 76);
    CHECK(tree->virtio[1].address == 0xa003c00);
    CHECK(tree->virtio[1].interrupt == 78);
    CHECK(tree->bootargs == "console=hvc0 root=/dev/vda");

    CHECK(cells(*blob, "/virtio_mmio@a003800", "interrupts") == "0 2c 1");
    CHECK(property(*blob, "/virtio_mmio@a003800", "dma-coherent").empty());
    CHECK(cells(*blob, "/chosen", "linux,initrd-start") == "0 58000000");
    CHECK(cells(*blob, "/chosen", "linux,initrd-end") == "0 58123456");
    CHECK(property(*blob, "/interrupt-controller@8000000", "compatible") == "arm,gic-v3|");
    CHECK(cells(*blob, "/interrupt-controller@8000000", "reg") == "0 8000000 0 10000 0 80a0000 0 f60000");
    CHECK(property(*blob, "/psci", "compatible") == "arm,psci-1.0|arm,psci-0.2|");
    CHECK(property(*blob, "/cpus/cpu@2", "enable-method") == "psci|");
}

TEST_CASE("a generated device tree follows the interrupt controller of the zone") {
    Zone zone;
    GicV2 gic;
    gic.gicd_base = 0x8000000;
    gic.gicd_size = 0x1000;
    gic.gicc_base = 0x8010000;
    gic.gicc_size = 0x2000;
    zone.config.arch = Aarch64Config{.is_aarch32 = false, .gic = gic, .uefi = {}, .mpidr_mappings = {}};
    const auto blob = generate_device_tree(zone.content());
    INFO(problem(blob));
    REQUIRE(blob);
    CHECK(property(*blob, "/interrupt-controller@8000000", "compatible") == "arm,cortex-a15-gic|");
    CHECK(cells(*blob, "/interrupt-controller@8000000", "reg") == "0 8000000 0 1000 0 8010000 0 2000");
}

TEST_CASE("what no device tree can be made for is said") {
    Zone zone;
    SECTION("another architecture") {
        zone.config.arch = Riscv64Config{};
        CHECK(
            problem(generate_device_tree(zone.content())) ==
            R"(a device tree is generated for 64-bit arm zones only; expected "patch" and a device tree blob)");
    }
    SECTION("a 32-bit guest") {
        zone.config.arch =
            Aarch64Config{.is_aarch32 = true, .gic = GicV3{}, .uefi = {}, .mpidr_mappings = {}};
        CHECK(problem(generate_device_tree(zone.content())).contains("64-bit arm zones only"));
    }
    SECTION("an interrupt of one CPU") {
        zone.devices[0].interrupt = 27;
        CHECK(problem(generate_device_tree(zone.content())) ==
              "interrupt 27 belongs to one CPU; expected one from 32 on");
    }
    SECTION("a command line that has no end") {
        auto content = zone.content();
        content.cmdline = std::string(100000, 'x');
        CHECK(problem(generate_device_tree(content)).contains("shorten the command line"));
    }
}

TEST_CASE("a patched device tree keeps the board's CPUs, and has the zone's memory and devices") {
    const Zone zone;
    const auto blob = patch_device_tree(board_tree(), zone.content());
    INFO(problem(blob));
    REQUIRE(blob);
    const auto tree = read_device_tree(*blob);
    REQUIRE(tree);
    REQUIRE(tree->cpus.size() == 2);
    CHECK(tree->cpus[0].hardware_id == 0x200);
    CHECK(tree->cpus[1].hardware_id == 0x300);
    CHECK(cells(*blob, "/cpus/cpu-map", "x").empty());
    CHECK(::fdt_path_offset(blob->data(), "/cpus/cpu-map") < 0);
    REQUIRE(tree->memory.size() == 1);
    CHECK(tree->memory[0].address == 0x50000000);
    REQUIRE(tree->virtio.size() == 2);
    CHECK(tree->virtio[0].address == 0xa003800);
    CHECK(tree->virtio[0].interrupt == 76);
    CHECK(tree->bootargs == "quiet"); // no command line leaves the one that is there
    CHECK(::fdt_path_offset(blob->data(), "/soc") >= 0);

    SECTION("and patched once more it stays the same") {
        const auto again = patch_device_tree(*blob, zone.content());
        INFO(problem(again));
        REQUIRE(again);
        const auto second = read_device_tree(*again);
        REQUIRE(second);
        CHECK(second->cpus.size() == 2);
        CHECK(second->memory.size() == 1);
        CHECK(second->virtio.size() == 2);
    }
}

TEST_CASE("the CPUs of a device tree have the hardware ids that the zone's file says") {
    Zone zone;
    auto& ids = std::get<Aarch64Config>(zone.config.arch).mpidr_mappings;
    ids = {0x200, 0x201, 0x0, 0x100, 0x100000000};
    zone.config.cpus = {1, 3, 4};
    const auto blob = generate_device_tree(zone.content());
    INFO(problem(blob));
    REQUIRE(blob);
    const auto tree = read_device_tree(*blob);
    REQUIRE(tree);
    REQUIRE(tree->cpus.size() == 3);
    CHECK(tree->cpus[0].hardware_id == 0x201);
    CHECK(tree->cpus[1].hardware_id == 0x100);
    CHECK(tree->cpus[1].node == "/cpus/cpu@100");
    CHECK(tree->cpus[2].hardware_id == 0x100000000);

    // The board's own tree lists them in another order than the hypervisor does.
    ids = {0x200, 0x300, 0x0, 0x100};
    zone.config.cpus = {2, 3};
    const auto patched = patch_device_tree(board_tree(), zone.content());
    INFO(problem(patched));
    REQUIRE(patched);
    const auto picked = read_device_tree(*patched);
    REQUIRE(picked);
    REQUIRE(picked->cpus.size() == 2);
    CHECK(picked->cpus[0].hardware_id == 0x0);
    CHECK(picked->cpus[1].hardware_id == 0x100);
    // As many as the zone has, and not the zone's.
    zone.config.cpus = {0, 1};
    CHECK(problem(patch_device_tree(board_tree(2), zone.content())) ==
          "the source has CPUs with the ids 0x0, 0x100, and mpidr_mappings says that the zone's are others; "
          "expected the zone's CPUs, or all of the board");
}

TEST_CASE("a device tree is patched as its interrupt controller wants it") {
    const Zone zone;
    const auto one = patch_device_tree(board_tree(4, 1), zone.content());
    INFO(problem(one));
    REQUIRE(one);
    CHECK(cells(*one, "/virtio_mmio@a003800", "interrupts") == "4c");
    const auto two = patch_device_tree(board_tree(4, 2), zone.content());
    INFO(problem(two));
    REQUIRE(two);
    CHECK(cells(*two, "/virtio_mmio@a003800", "interrupts") == "4c 4");
    CHECK(problem(patch_device_tree(board_tree(4, 4), zone.content())) ==
          "the source's interrupt controller has 4 cells an interrupt; expected 1, 2 or 3");
}

TEST_CASE("a source that does not go with the zone is refused") {
    Zone zone;
    CHECK(problem(patch_device_tree(board_tree(1), zone.content())) ==
          "the source has 1 CPUs and the zone 2; expected the zone's CPUs, or all of the board");
    CHECK(problem(patch_device_tree(board_tree(3), zone.content())) ==
          "the source has 3 CPUs and the zone 2; expected the zone's CPUs, or all of the board");
    CHECK(problem(patch_device_tree(std::vector<std::byte>(100), zone.content()))
              .starts_with("it is no sound device tree blob"));

    DeviceTreeEditor tree;
    tree.set_cell("/", "#address-cells", 1);
    tree.set_cell("/", "#size-cells", 1);
    for (const char* node : {"/cpus", "/cpus/cpu@0", "/cpus/cpu@1"}) {
        tree.node(node);
        tree.set_text(node, "device_type", "cpu");
    }
    const auto small = tree.finish();
    REQUIRE(small);
    CHECK(problem(patch_device_tree(*small, zone.content())) ==
          "the source's root node names no interrupt controller; expected interrupt-parent");
    zone.config.memory_regions[0].virtual_start = 0x100000000;
    CHECK(problem(patch_device_tree(*small, zone.content())) ==
          "the source's root node has no room for RAM at 0x100000000; expected #address-cells and "
          "#size-cells of 2");
}

} // namespace make_device_tree_test
