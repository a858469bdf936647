// SPDX-License-Identifier: Apache-2.0
#include "zone/device_tree.hpp"
#include "zone/device_tree_editor.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <format>
#include <string>
#include <vector>

namespace device_tree_test {

using namespace hvisor::zone;

namespace {

/// As a vendor writes it: 32-bit addresses, the devices on a bus of their own.
std::vector<std::byte> vendor_tree() {
    DeviceTreeEditor tree;
    const auto cells = [&tree](const char* node, const char* property, std::vector<std::uint32_t> value) {
        tree.set_cells(node, property, value);
    };
    tree.set_cell("/", "#address-cells", 2);
    tree.set_cell("/", "#size-cells", 1);
    tree.set_cell("/", "interrupt-parent", 7);
    for (const char* node : {"/chosen", "/memory@50000000", "/cpus", "/cpus/cpu@100", "/cpus/cpu@0", "/soc",
                             "/soc/gic", "/soc/virtio@3800", "/soc/virtio@3a00", "/soc/uart", "/hidden",
                             "/hidden/virtio@0", "/plic", "/virtio@9000"}) {
        tree.node(node);
    }
    tree.set_text("/chosen", "bootargs", "console=hvc0");
    tree.set_text("/memory@50000000", "device_type", "memory");
    cells("/memory@50000000", "reg", {0, 0x50000000, 0x10000000, 1, 0, 0x4000});
    cells("/cpus", "#address-cells", {1});
    cells("/cpus", "#size-cells", {0});
    for (const std::uint32_t id : {0x0U, 0x100U}) {
        const std::string node = std::format("/cpus/cpu@{:x}", id);
        tree.set_text(node, "device_type", "cpu");
        tree.set_cell(node, "reg", id);
    }
    // The bus shows 0xa000000 of the CPUs as 0.
    cells("/soc", "#address-cells", {1});
    cells("/soc", "#size-cells", {1});
    cells("/soc", "ranges", {0, 0, 0xa000000, 0x10000});
    cells("/soc/gic", "phandle", {7});
    cells("/soc/gic", "#interrupt-cells", {3});
    cells("/plic", "phandle", {8});
    cells("/plic", "#interrupt-cells", {1});
    for (const char* node : {"/soc/virtio@3800", "/soc/virtio@3a00", "/hidden/virtio@0", "/virtio@9000"}) {
        tree.set_text(node, "compatible", "virtio,mmio");
    }
    cells("/soc/virtio@3800", "reg", {0x3800, 0x200});
    cells("/soc/virtio@3800", "interrupts", {0, 44, 1});
    cells("/soc/virtio@3a00", "reg", {0x3a00, 0x200});
    cells("/soc/virtio@3a00", "interrupts-extended", {8, 5});
    cells("/hidden/virtio@0", "reg", {0, 0, 0x200});
    cells("/virtio@9000", "reg", {0, 0x9000, 0x1000});
    cells("/virtio@9000", "interrupts", {0, 44});
    auto blob = tree.finish();
    REQUIRE(blob);
    return std::move(*blob);
}

} // namespace

TEST_CASE("what a device tree says is read through its buses") {
    const auto tree = read_device_tree(vendor_tree());
    INFO((tree ? "" : tree.error().message));
    REQUIRE(tree);
    CHECK(tree->bootargs == "console=hvc0");

    REQUIRE(tree->memory.size() == 2);
    CHECK(tree->memory[0].address == 0x50000000);
    CHECK(tree->memory[0].size == 0x10000000);
    CHECK(tree->memory[1].address == 0x100000000);
    CHECK(tree->memory[1].node == "/memory@50000000");

    REQUIRE(tree->cpus.size() == 2);
    CHECK(tree->cpus[1].hardware_id == 0x100);
    CHECK(tree->cpus[1].node == "/cpus/cpu@100");
}

TEST_CASE("virtio nodes have the address that CPUs see, and the interrupt of the zone file") {
    const auto tree = read_device_tree(vendor_tree());
    REQUIRE(tree);
    const auto find = [&tree](const char* node) {
        for (const auto& device : tree->virtio) {
            if (device.node == node) {
                return device;
            }
        }
        FAIL("no node " << node);
        return TreeVirtio{};
    };
    REQUIRE(tree->virtio.size() == 4);
    CHECK(find("/soc/virtio@3800").address == 0xa003800);
    CHECK(find("/soc/virtio@3800").length == 0x200);
    CHECK(find("/soc/virtio@3800").interrupt == 76); // an SPI
    CHECK(find("/soc/virtio@3a00").interrupt == 5);  // of the other controller
    // The addresses of a bus without "ranges" are not the CPUs'.
    CHECK(find("/hidden/virtio@0").length == 0);
    // Fewer cells than the controller wants say nothing.
    CHECK(find("/virtio@9000").interrupt == std::nullopt);
}

TEST_CASE("a blob that is none is an error, whatever is wrong with it") {
    const auto good = vendor_tree();
    const auto problem = [](std::span<const std::byte> blob) {
        const auto tree = read_device_tree(blob);
        return tree ? std::string() : tree.error().message;
    };
    CHECK(problem(std::span(good).first(0)).starts_with("it is no sound device tree blob"));
    CHECK(problem(std::span(good).first(39)).starts_with("it is no sound device tree blob"));
    CHECK(problem(std::span(good).first(good.size() - 1)).starts_with("it is no sound device tree blob"));
    CHECK(problem(std::vector<std::byte>(max_device_tree_size + 1)) ==
          "it has 2097153 bytes; expected a device tree blob of at most 2097152");

    // Any byte may be anything: the sanitizers watch.
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const unsigned value : {0x00U, 0x01U, 0x7fU, 0xffU}) {
            auto blob = good;
            blob[i] = static_cast<std::byte>(value);
            const auto tree = read_device_tree(blob);
            CHECK((tree || !tree.error().message.empty()));
        }
    }
}

TEST_CASE("a hostile tree takes neither time nor memory") {
    SECTION("nodes inside nodes") {
        DeviceTreeEditor tree;
        std::string path;
        for (int i = 0; i < 40; ++i) {
            path += "/n";
            tree.node(path);
        }
        const auto blob = tree.finish();
        REQUIRE(blob);
        const auto read = read_device_tree(*blob);
        REQUIRE_FALSE(read);
        CHECK(read.error().message == "it has nodes 32 levels deep; expected fewer than 32");
    }
    SECTION("more devices than a zone can have") {
        DeviceTreeEditor tree;
        for (int i = 0; i < 257; ++i) {
            const std::string node = std::format("/virtio@{:x}", i);
            tree.node(node);
            tree.set_text(node, "compatible", "virtio,mmio");
        }
        const auto blob = tree.finish();
        REQUIRE(blob);
        const auto read = read_device_tree(*blob);
        REQUIRE_FALSE(read);
        CHECK(read.error().message == "it has more than 256 nodes of memory, CPUs or virtio,mmio");
    }
}

TEST_CASE("a tree that grows too large is told when it is finished") {
    DeviceTreeEditor tree;
    tree.set_text("/", "bootargs", std::string(70000, 'x'));
    const auto blob = tree.finish();
    REQUIRE_FALSE(blob);
    CHECK(blob.error().message.starts_with("the zone's device tree cannot be written (FDT_ERR_NOSPACE)"));
}

} // namespace device_tree_test
