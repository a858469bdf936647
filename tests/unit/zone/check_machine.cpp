// SPDX-License-Identifier: Apache-2.0
#include "zone/check_machine.hpp"
#include "temporary_directory.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <iterator>
#include <string>

namespace check_machine_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using test::changed;
using test::good_zone;

namespace {

Machine board() {
    return {.zones = {{0, 0x3, "root-linux", false}},
            .claims = {},
            .reserved = {{{"zones@50000000", 0x50000000, 0x30000000}}}};
}

hvisor::Error problems(const Machine& machine, const std::string& text = std::string(good_zone)) {
    const auto zone = read_zone_file(ConfigText{"z.json", text});
    REQUIRE(zone);
    const auto checked = check_machine(*zone, nullptr, machine);
    return checked ? hvisor::Error{} : checked.error();
}

} // namespace

TEST_CASE("a zone that fits the machine has no problem") {
    CHECK(problems(board()).message.empty());
    Machine unknown = board();
    unknown.reserved.reset();
    CHECK(problems(unknown).message.empty());
}

TEST_CASE("the root zone's CPUs are named by file and key") {
    const auto error = problems(board(), changed(good_zone, "[2, 3]", "[1, 2]"));
    CHECK(error.code == ErrorCode::resource_busy);
    CHECK(error.message ==
          "z.json:3:12: /cpus/0: CPU 1 belongs to the root zone; expected CPUs that no zone uses");
}

TEST_CASE("CPUs and RAM of another zone are taken") {
    Machine machine = board();
    machine.zones.push_back({2, 0x8, "linux3", false});
    machine.claims.push_back({.zone = "linux3",
                              .ranges = {{RegionType::ram, 0x70000000, 0x10000000, false}},
                              .interrupts = {},
                              .taps = {},
                              .cids = {},
                              .connectors = {},
                              .disks = {}});
    const auto error = problems(machine);
    CHECK(error.code == ErrorCode::resource_busy);
    CHECK(error.message ==
          "z.json:3:15: /cpus/1: CPU 3 belongs to zone linux3; expected CPUs that no zone uses\n"
          "z.json:5:40: /memory_regions/0/physical_start: RAM 0x50000000, size 0x30000000, overlaps RAM "
          "0x70000000, size "
          "0x10000000, of zone linux3; expected memory that no zone uses");
}

TEST_CASE("an id or a name that is there already is told alone") {
    Machine machine = board();
    machine.zones.push_back({1, 0xc, "other", false});
    auto error = problems(machine);
    CHECK(error.code == ErrorCode::zone_exists);
    CHECK(error.message ==
          "z.json:2:14: /zone_id: zone 1 runs already and is called other; shut it down first, or choose "
          "another id");
    machine.zones.back() = {2, 0x8, "linux2", false};
    error = problems(machine);
    CHECK(error.code == ErrorCode::zone_exists);
    CHECK(
        error.message ==
        "z.json:1:11: /name: a zone called linux2 runs already with the id 2; shut it down first, or choose "
        "another name");
}

TEST_CASE("RAM outside of reserved memory is named by file and key") {
    auto error =
        problems(board(), changed(good_zone, R"("0x50000000", "virtual)", R"("0x40000000", "virtual)"));
    CHECK(error.code == ErrorCode::invalid_config);
    CHECK(
        error.message ==
        "z.json:5:40: /memory_regions/0/physical_start: RAM 0x40000000, size 0x30000000, is not reserved for "
        "zones; expected it inside 0x50000000 to 0x7fffffff (zones@50000000)");
    Machine machine = board();
    machine.reserved->clear();
    error = problems(machine);
    CHECK(error.message.ends_with(
        "expected it inside a no-map child of /reserved-memory, of which the root zone's device tree "
        "has none"));
}

TEST_CASE("reserved memory is read from the device tree the kernel shows") {
    const test::TemporaryDirectory tree;
    using namespace std::string_literals;
    const auto node = [&tree](const std::string& name, const std::string& reg, bool is_no_map) {
        tree.write("reserved-memory/" + name + "/reg", reg);
        if (is_no_map) {
            tree.write("reserved-memory/" + name + "/no-map", "");
        }
    };
    CHECK(reserved_memory(tree.path())->empty());
    CHECK_FALSE(reserved_memory(tree.path() / "none"));
    tree.write("reserved-memory/#address-cells", "\0\0\0\2"s);
    tree.write("reserved-memory/#size-cells", "\0\0\0\1"s);
    tree.write("reserved-memory/ranges", "");
    node("zones@60000000", "\0\0\0\1\x60\0\0\0\x20\0\0\0\0\0\0\2\0\0\0\0\0\0\x10\0"s, true);
    node("zones@50000000", "\0\0\0\0\x50\0\0\0\x10\0\0\0"s, true);
    node("linux,cma", "\0\0\0\0\x40\0\0\0\x10\0\0\0"s, false);
    node("hvisor@40400000", "\0\0\0\0\x40\x40\0\0\x10\0\0\0"s, true);
    node("hypervisor@1", "\0\0\0\0\0\0\0\1\x10\0\0\0"s, true);
    node("broken@0", "\0\0\0"s, true);
    const auto parameter = tree.path() / "zone_ram";
    tree.write("zone_ram", "(null)\n");
    const auto ranges = reserved_memory(tree.path(), parameter);
    REQUIRE(ranges);
    REQUIRE(ranges->size() == 3);
    CHECK((*ranges)[0].name == "zones@50000000");
    CHECK((*ranges)[0].address == 0x50000000);
    CHECK((*ranges)[0].size == 0x10000000);
    CHECK((*ranges)[1].address == 0x160000000);
    CHECK((*ranges)[1].size == 0x20000000);
    CHECK((*ranges)[2].address == 0x200000000);
    CHECK((*ranges)[2].size == 0x1000);

    // The module may know of more memory than the device tree does.
    tree.write("zone_ram", "0x90000000+0x1000\n");
    CHECK_FALSE(reserved_memory(tree.path(), parameter));
}

TEST_CASE("memory and interrupts that the root zone's Linux has are not for zones") {
    Machine machine = board();
    machine.root.system_ram = {{"System RAM", 0x40000000, 0x10001000}};
    machine.root.interrupts = {{33, "uart-pl011"}, {76, "made by nobody"}};
    const auto error = problems(machine, changed(good_zone, "[76, 78]", "[76, 78, 33]"));
    CHECK(error.code == ErrorCode::resource_busy);
    // No device was given for 76 here, so it is an interrupt of the machine, too.
    CHECK(
        error.message ==
        "z.json:5:40: /memory_regions/0/physical_start: RAM 0x50000000, size 0x30000000, overlaps 0x40000000 "
        "to 0x50000fff, which the root zone's Linux uses; reserve it in the root zone's device tree\n"
        "z.json:8:18: /interrupts/0: interrupt 76 is in use by the root zone (made by nobody); expected "
        "those "
        "of devices that the root zone leaves alone\n"
        "z.json:8:26: /interrupts/2: interrupt 33 is in use by the root zone (uart-pl011); expected those of "
        "devices that the root zone leaves alone");
}

TEST_CASE("the interrupts of virtio devices may be in use elsewhere") {
    Machine machine = board();
    machine.root.interrupts = {{76, "somebody"}};
    machine.claims.push_back({.zone = "linux3",
                              .ranges = {},
                              .interrupts = {78},
                              .taps = {},
                              .cids = {},
                              .connectors = {},
                              .disks = {}});
    const auto zone = read_zone_file(ConfigText{"z.json", std::string(good_zone)});
    const auto virtio = read_virtio_config(ConfigText{"v.json", std::string(test::good_virtio)});
    REQUIRE(zone);
    REQUIRE(virtio);
    CHECK(check_machine(*zone, &*virtio, machine));
    CHECK_FALSE(check_machine(*zone, nullptr, machine));
}

TEST_CASE("a disk with an absolute path belongs to one zone") {
    Machine machine = board();
    machine.claims.push_back({.zone = "linux3",
                              .ranges = {},
                              .interrupts = {},
                              .taps = {},
                              .cids = {},
                              .connectors = {},
                              .disks = {{"/srv/disk.img", true}}});
    const auto zone = read_zone_file(ConfigText{"z.json", std::string(good_zone)});
    const auto in_srv = read_virtio_config(ConfigText{"/srv/v.json", std::string(test::good_virtio)});
    const auto elsewhere = read_virtio_config(ConfigText{"v.json", std::string(test::good_virtio)});
    REQUIRE(zone);
    const auto checked = check_machine(*zone, &*in_srv, machine);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message.contains("/zones/0/devices/1/img: disk.img is a disk of zone linux3"));
    CHECK(check_machine(*zone, &*elsewhere, machine)); // whose disk.img that is nobody knows here
}

TEST_CASE("a device tree is generated for CPUs whose hardware ids are known") {
    Machine machine = board();
    const std::string text(test::good_one_file);
    machine.root.cpu_ids = {0, 1};
    CHECK(problems(machine, text).message.empty());
    machine.root.cpu_ids = {0, 0x100}; // a core a cluster, as on the RK3588
    CHECK(problems(machine, text).message ==
          "z.json:10:10: /dtb: the ids (MPIDR) of this board's CPUs are not their numbers: the root zone's "
          "have 0x0, 0x100; expected \"mpidr_mappings\" in arch_config, the BOARD_MPIDR_MAPPINGS of the "
          "hypervisor's board");
    CHECK(problems(machine,
                   changed(text, R"("dtb": "generate",)", R"("dtb": "patch", "dtb_filepath": "b.dtb",)"))
              .message.empty());

    const auto mapped = [&](const std::string& list) {
        return changed(text, R"("arch_config": { )", R"("arch_config": { "mpidr_mappings": )" + list + ", ");
    };
    CHECK(problems(machine, mapped("[0, 256, 512, 768]")).message.empty());
    CHECK(
        problems(machine, mapped("[512, 513, 0, 256]")).message ==
        "z.json:14:38: /arch_config/mpidr_mappings: CPU 0 of the root zone would have the id 0x200, and its "
        "device tree has 0x0, 0x100; expected the BOARD_MPIDR_MAPPINGS of the hypervisor's board");
    machine.root.cpu_ids.clear(); // no device tree says anything
    CHECK(problems(machine, text).message.empty());
}

TEST_CASE("registers that are the root zone's memory are not for zones") {
    Machine machine = board();
    machine.root.system_ram = {{"System RAM", 0x40000000, 0x10000000}};
    const std::string text = changed(
        good_zone, R"("memory_regions": [)",
        R"("memory_regions": [ { "type": "io", "physical_start": "0x40000000", "virtual_start": "0x9000000", "size": "0x1000" },)");
    CHECK(problems(machine, text).message ==
          "z.json:4:57: /memory_regions/0/physical_start: the registers at 0x40000000, size 0x1000, overlaps "
          "0x40000000 to 0x4fffffff, which the root zone's Linux uses; expected those of a device");
    machine.root.system_ram.clear();
    CHECK(problems(machine, text).message.empty());
}

TEST_CASE("memory of loongarch64's firmware need not be reserved for zones") {
    std::ifstream file(std::string(CONFIGS) + "/loongarch64/ls3a5000/linux2.json");
    const auto zone = read_zone_file(ConfigText{"z.json", {std::istreambuf_iterator<char>(file), {}}});
    REQUIRE(zone);
    Machine machine{.zones = {{0, 0x1, "root-linux", false}},
                    .claims = {},
                    .reserved = {{{"zones@c0000000", 0xc0000000, 0x20000000}}}};
    CHECK(check_machine(*zone, nullptr, machine));
    machine.root.system_ram = {{"System RAM", 0x1000, 0x1000}};
    CHECK_FALSE(check_machine(*zone, nullptr, machine));
    machine.root.system_ram.clear();
    machine.reserved->front().address += 0x1000;
    const auto fits = check_machine(*zone, nullptr, machine);
    REQUIRE_FALSE(fits);
    CHECK(fits.error().message.contains("/memory_regions/0/physical_start: RAM 0xc0000000"));
    CHECK_FALSE(fits.error().message.contains("/memory_regions/1/"));
}

} // namespace check_machine_test
