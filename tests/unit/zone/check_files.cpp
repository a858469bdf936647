// SPDX-License-Identifier: Apache-2.0
#include "zone/check_files.hpp"

#include "reading.hpp"
#include "temporary_directory.hpp"
#include "zone_files.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <format>
#include <string>
#include <vector>

namespace check_files_test {

using namespace hvisor::zone;
using test::Change;
using test::changed;
using test::good_one_file;
using test::good_virtio;
using test::good_zone;

namespace {

/// A zone that can run beside the good one.
std::string second_zone() {
    std::string text = changed(good_one_file, "linux2", "linux3");
    text = changed(text, R"("zone_id": 1)", R"("zone_id": 2)");
    text = changed(text, "[2, 3]", "[4, 5]");
    text = changed(text, R"("0x50000000", "virtual_start")", R"("0x90000000", "virtual_start")");
    text = changed(text, R"("kernel_load_paddr": "0x50400000")", R"("kernel_load_paddr": "0x90400000")");
    text = changed(text, R"("dtb_load_paddr": "0x50000000")", R"("dtb_load_paddr": "0x90000000")");
    text = changed(text, R"("initrd_load_paddr": "0x58000000")", R"("initrd_load_paddr": "0x98000000")");
    return changed(text, "disk.img", "disk2.img");
}

Candidates check(const std::vector<std::string>& texts) {
    std::vector<ConfigText> files;
    for (const std::string& text : texts) {
        files.push_back({std::string(1, static_cast<char>('a' + files.size())) + ".json", text});
    }
    return check_files(files);
}

} // namespace

TEST_CASE("zones that can run together have no problem, though their windows and interrupts are the same") {
    const Candidates report = check({std::string(good_one_file), second_zone()});
    for (const std::string& problem : report.findings.problems) {
        UNSCOPED_INFO(problem);
    }
    CHECK(report.findings.problems.empty());
    REQUIRE(report.findings.left_out.size() == 6);
    CHECK(report.findings.left_out[0] == "a.json:8:22: /kernel_filepath: Image, which cannot be opened");
    CHECK(report.findings.left_out[1].ends_with("/initrd_filepath: initrd.gz, which cannot be opened"));
    CHECK(report.findings.left_out[2].ends_with("/devices/1/img: disk.img, which cannot be opened"));
    REQUIRE(report.zones.size() == 2);
    CHECK(report.zones[0].zone.config.name == "linux2");
    CHECK(report.zones[1].zone.config.name == "linux3");
    const auto left = left_to_machine(report.zones);
    REQUIRE(left.size() == 2);
    CHECK(left[0] ==
          "a.json:10:10: /dtb: whether the ids (MPIDR) of the board's CPUs are their numbers, which the "
          "generated device tree has; \"mpidr_mappings\" in arch_config says others");
    // Two devices in one region of the type "virtio".
    REQUIRE(report.findings.warnings.size() == 4);
    CHECK(report.findings.warnings[0] ==
          "a.json:16:34: /devices/0/addr: no region of the type \"virtio\" starts at "
          "0xa003800, so the guest waits "
          "each time it notifies this device; give the device a region of its own");
}

TEST_CASE("what two zones cannot both have is named in the second one's file") {
    const Change changes[] = {
        {R"("zone_id": 2)", R"("zone_id": 1)",
         "b.json:2:14: /zone_id: 1 is the number of zone linux2, too; expected another one"},
        {"linux3", "linux2", "b.json:1:11: /name: zone 1 is called linux2, too; expected another name"},
        {"[4, 5]", "[4, 3]",
         "b.json:3:15: /cpus/1: CPU 3 belongs to zone linux2, too; expected CPUs that no zone uses"},
        {R"("0x90000000", "virtual_start": "0x50000000", "size": "0x30000000")",
         R"("0x78000000", "virtual_start": "0x50000000", "size": "0x30000000")",
         "b.json:5:40: /memory_regions/0/physical_start: RAM 0x78000000, size 0x30000000, overlaps RAM "
         "0x50000000, "
         "size 0x30000000, of zone linux2; expected memory that no zone uses"},
        {"disk2.img", "disk.img",
         "b.json:17:77: /devices/1/img: disk.img is a disk of zone linux2; expected one that no zone uses, "
         "or "
         "\"readonly\": true in both"},
    };
    for (const Change& change : changes) {
        const Candidates report =
            check({std::string(good_one_file), changed(second_zone(), change.from, change.to)});
        INFO(change.from << " -> " << change.to);
        REQUIRE(report.findings.problems.size() == 1);
        CHECK(report.findings.problems[0] == change.message);
    }
}

TEST_CASE("registers, interrupts and taps of the machine belong to one zone") {
    const auto with_parts = [](std::string text) {
        text = changed(
            text, R"("memory_regions": [)",
            R"("memory_regions": [ { "type": "io", "physical_start": "0x9000000", "virtual_start": "0x9000000", "size": "0x1000" },)");
        text = changed(text, "[76, 78]", "[76, 78, 33]");
        return changed(
            text, R"("devices": [)",
            R"("devices": [ { "type": "gpu", "addr": "0xa003600", "len": "0x200", "irq": 78, "displays": [ {}, { "connector": "DP-1" } ] }, { "type": "vsock", "addr": "0xa003000", "len": "0x200", "irq": 78, "cid": 5 }, { "type": "net", "addr": "0xa003200", "len": "0x200", "irq": 78, "tap": "tap0", "mac": [2,0,0,0,0,1] },)");
    };
    const Candidates report = check({with_parts(std::string(good_one_file)), with_parts(second_zone())});
    REQUIRE(report.findings.problems.size() == 1);
    const std::string& text = report.findings.problems[0];
    INFO(text);
    CHECK(
        text.contains("/memory_regions/0/physical_start: the registers at 0x9000000, size 0x1000, overlaps"));
    CHECK(text.contains("/interrupts/2: interrupt 33 belongs to zone linux2"));
    CHECK(text.contains("/devices/2/tap: tap0 is the tap of zone linux2"));
    CHECK(text.contains("/devices/1/cid: 5 is the cid of zone linux2"));
    CHECK(text.contains("/devices/0/displays/1/connector: the connector DP-1 shows zone linux2; expected "
                        "one that no zone uses"));
    CHECK_FALSE(text.contains("/displays/0"));
    CHECK_FALSE(text.contains("interrupt 76"));
}

TEST_CASE("a keyboard of the root zone is one zone's, unless none has it alone") {
    const auto with_keyboard = [](std::string_view text, std::string_view keys) {
        return changed(
            text, R"("devices": [)",
            std::format(
                R"("devices": [ {{ "type": "input", "addr": "0xa003000", "len": "0x200", "irq": 78, "model": "evdev", "path": "/dev/input/event3"{} }},)",
                keys));
    };
    constexpr std::string_view shared = R"(, "grab": false)";
    const auto both = [&](std::string_view first, std::string_view second) {
        return check({with_keyboard(good_one_file, first), with_keyboard(second_zone(), second)})
            .findings.problems;
    };
    CHECK(both(shared, shared).empty());
    for (const auto& problems : {both("", ""), both(shared, ""), both("", shared)}) {
        REQUIRE(problems.size() == 1);
        CHECK(problems[0].contains(
            "/devices/0/path: /dev/input/event3 is an input device of zone linux2; expected "
            "one that no zone uses, or \"grab\": false in both"));
    }
}

TEST_CASE("a disk that both zones only read can be theirs") {
    const auto read_only = [](const std::string& text) {
        return changed(changed(text, "disk2.img", "disk.img"), R"("disk.img")",
                       R"("disk.img", "readonly": true)");
    };
    CHECK(check({changed(good_one_file, R"("disk.img")", R"("disk.img", "readonly": true)"),
                 read_only(second_zone())})
              .findings.problems.empty());
}

TEST_CASE("loongarch64 zones repeat the regions that upstream's files repeat, but no RAM with an image") {
    const auto zone = [](const char* id, const char* ram) {
        return std::string(R"({ "arch": "loongarch64", "devices": [], "interrupts": [], "name": "z)") + id +
               R"(", "zone_id": )" + id + R"(, "cpus": [)" + id +
               R"(], "kernel_filepath": "k", "entry_point": 0,
               "kernel_load_paddr": ")" +
               ram + R"(", "memory_regions": [
               { "type": "ram", "physical_start": ")" +
               ram + R"(", "virtual_start": ")" + ram + R"(", "size": "0x10000000" },
               { "type": "ram", "physical_start": "0x1000", "virtual_start": "0x0", "size": "0x10000" },
               { "type": "io", "physical_start": "0x1fe00000", "virtual_start": "0x1fe00000", "size": "0x1000" } ] })";
    };
    CHECK(check({zone("1", "0xc0000000"), zone("2", "0xa0000000")}).findings.problems.empty());
    CHECK(check({zone("1", "0xc0000000"), zone("2", "0xc0000000")}).findings.problems.size() == 1);
    CHECK(check({zone("1", "0xc0000000"), zone("2", "0xc8000000")}).findings.problems.size() == 1);
}

TEST_CASE("upstream's two files are checked together, and what is not there is said") {
    Candidates report = check({std::string(good_zone), std::string(good_virtio)});
    CHECK(report.findings.problems.empty());
    REQUIRE(report.findings.left_out.size() == 3);
    CHECK(report.findings.left_out[0].ends_with("/kernel_filepath: Image, which cannot be opened"));
    CHECK(report.findings.left_out[1] == "a.json:12:19: /dtb_filepath: zone1.dtb, which cannot be opened");
    CHECK(report.findings.left_out[2].starts_with("b.json:5:77: /zones/0/devices/1/img: disk.img, which"));
    report = check({std::string(good_zone)});
    REQUIRE(report.findings.left_out.size() == 3);
    CHECK(report.findings.left_out[0] ==
          "a.json: the devices of zone linux2, which are in no file that was given");
    report = check({std::string(good_zone), changed(good_virtio, R"("irq": 76)", R"("irq": 77)")});
    REQUIRE(report.findings.problems.size() == 1);
    CHECK(report.findings.problems[0].starts_with("b.json:"));
}

TEST_CASE("problems of all files are told at once") {
    const Candidates report = check({"{", "[]", R"({ "zones": 1 })", std::string(good_one_file)});
    CHECK(report.findings.problems.size() == 3);
    CHECK(report.zones.size() == 1);
    CHECK(report.unread == std::vector<std::string>{"a.json", "b.json", "c.json"});
}

TEST_CASE("a device tree that is no device tree is a problem of the zone's file") {
    const test::TemporaryDirectory folder;
    folder.write("zone1.dtb", "no device tree");
    const std::string name = folder.path() / "z.json";
    const ConfigText files[] = {{name, std::string(good_zone)}, {"v.json", std::string(good_virtio)}};
    const Candidates report = check_files(files);
    REQUIRE(report.findings.problems.size() == 1);
    CHECK(report.findings.problems[0].starts_with(name + ":12:19: /dtb_filepath: zone1.dtb: "));
}

TEST_CASE("images and disks that are there are looked at as hvisord does") {
    const test::TemporaryDirectory folder;
    const std::string name = folder.path() / "z.json";
    const auto problems = [&name](const std::string& text) {
        const Candidates report = check_files(std::vector<ConfigText>{{name, text}});
        std::string lines;
        for (const std::string& problem : report.findings.problems) {
            lines += problem + "\n";
        }
        return lines;
    };
    const std::string text(good_one_file);
    folder.write("Image", test::arm64_image(0x1000000));
    folder.write("initrd.gz", std::string(0x1000, 'i'));
    folder.write("disk.img", "disk");
    CHECK(problems(text).empty());
    CHECK(problems(
              changed(text, R"("initrd_load_paddr": "0x58000000")", R"("initrd_load_paddr": "0x50500000")"))
              .contains(
                  "/initrd_load_paddr: initrd.gz at 0x50500000, size 0x1000, overlaps Image at 0x50400000, "
                  "size 0x1000000; load them apart"));
    folder.write("Image", test::arm64_image(0x8000000));
    CHECK(problems(changed(text, "0x30000000", "0x8001000"))
              .contains(
                  "Image takes 0x8000000 bytes from 0x50400000 on and the RAM region ends after 0x7c01000"));
    folder.write("Image", test::arm64_image(0x1000000));
    CHECK(problems(changed(text, R"("entry_point": "0x50400000")", R"("entry_point": "0x51400000")")) ==
          name +
              ":9:18: /entry_point: 0x51400000 is the guest's address of none of the images; expected one in "
              "Image, which is loaded to the physical address 0x50400000\n");
    folder.write("Image", test::arm64_image(0x1000).replace(0x38, 4, "RSC\x05"));
    CHECK(problems(text).contains(
        "/kernel_filepath: Image: it is a kernel for riscv64, and the zone's arch_config is for arm64"));
    std::filesystem::remove(folder.path() / "Image");
    CHECK(problems(text).empty()); // that it is not there is no problem, see above
    std::filesystem::remove(folder.path() / "disk.img");
    std::filesystem::create_directory(folder.path() / "disk.img");
    CHECK(problems(text).contains("/devices/1/img: disk.img: this is no regular file and no block device"));
}

} // namespace check_files_test
