// SPDX-License-Identifier: Apache-2.0
#include "zone/check_zone.hpp"
#include "reading.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>
#include <string>
#include <string_view>

namespace check_zone_test {

using namespace hvisor::zone;
using test::Change;
using test::changed;
using test::good_virtio;
using test::good_zone;
using test::read_zone;

namespace {

std::string zone_problems(const std::string& text) {
    const auto checked = check_zone(read_zone(text));
    return checked ? "" : checked.error().message;
}

std::string device_problems(const std::string& zone, const std::string& virtio) {
    const auto file = read_virtio_config(ConfigText{"v.json", virtio});
    INFO((file ? "" : file.error().message));
    REQUIRE(file);
    const auto checked = check_devices(read_zone(zone), *file);
    return checked ? "" : checked.error().message;
}

} // namespace

TEST_CASE("the good files have no problem") {
    CHECK(zone_problems(std::string(good_zone)).empty());
    CHECK(device_problems(std::string(good_zone), std::string(good_virtio)).empty());
}

TEST_CASE("a zone that the hypervisor could not run is found out") {
    const Change changes[] = {
        {R"("zone_id": 1)", R"("zone_id": 0)",
         "z.json:2:14: /zone_id: zone 0 is the root zone, which runs already; expected 1 to 31"},
        {R"("zone_id": 1)", R"("zone_id": 32)",
         "z.json:2:14: /zone_id: zone ids above 31 have no devices; expected 1 to 31"},
        {"[2, 3]", "[]", "z.json:3:11: /cpus: the zone has no CPU; expected at least one"},
        {"[2, 3]", "[2, 32]", "z.json:3:15: /cpus/1: CPU 32 cannot reach virtio devices; expected 0 to 31"},
        {R"("0x30000000")", "0",
         "z.json:5:93: /memory_regions/0/size: the region is empty; expected a size above 0"},
        {R"("0x30000000")", R"("0xffffffffc0000000")",
         "z.json:5:40: /memory_regions/0/physical_start: 0x50000000 with the size 0xffffffffc0000000 ends "
         "beyond the last "
         "address\n"
         "z.json:5:71: /memory_regions/0/virtual_start: 0x50000000 with the size 0xffffffffc0000000 ends "
         "beyond the last "
         "address"},
        {R"("0x30000000")", R"("0x30000800")",
         "z.json:5:93: /memory_regions/0/size: 0x30000800 is not a multiple of the page size 0x1000"},
        {R"("type": "virtio", "physical_start": "0xa003800")",
         R"("type": "virtio", "physical_start": "0x50000000")",
         "z.json:6:5: /memory_regions/1: the virtio region at guest address 0x50000000, size 0x200, overlaps "
         "the ram "
         "region of /memory_regions/0 at 0x50000000, size 0x30000000"},
        {R"("0xa003c00", "virtual)", R"("0xa0039ff", "virtual)",
         "z.json:7:5: /memory_regions/2: the virtio region at guest address 0xa0039ff, size 0x200, overlaps "
         "the virtio "
         "region of /memory_regions/1 at 0xa003800, size 0x200"},
        {R"("ivc_configs": [])",
         "\"ivc_configs\": [{\"ivc_id\": 0, \"peer_id\": 1, \"control_table_ipa\": \"0x50001000\", "
         "\"shared_mem_ipa\": "
         "\"0xd0001000\", \"rw_sec_size\": 0, \"out_sec_size\": 4096, \"interrupt_num\": 66, \"max_peers\": "
         "2}]",
         "z.json:9:68: /ivc_configs/0/control_table_ipa: the IVC control table at guest address 0x50001000, "
         "size 0x1000, "
         "overlaps the ram region of /memory_regions/0 at 0x50000000, size 0x30000000\n"
         "z.json:9:171: /ivc_configs/0/interrupt_num: interrupt 66 is not in the zone's list /interrupts; "
         "add it there"},
        {R"("kernel_load_paddr": "0x50400000")", R"("kernel_load_paddr": "0x80000000")",
         "z.json:11:24: /kernel_load_paddr: 0x80000000 is not in the zone's RAM; expected a physical address "
         "in a region "
         "of the type \"ram\""},
        {R"("entry_point": "0x50400000")", R"("entry_point": "0x40400000")",
         "z.json:14:18: /entry_point: 0x40400000 is not in the zone's RAM; expected a guest address in a "
         "region of the "
         "type \"ram\""},
    };
    for (const Change& change : changes) {
        INFO(change.from << " -> " << change.to);
        CHECK(zone_problems(changed(good_zone, change.from, change.to)) == change.message);
    }
}

TEST_CASE("a zone without RAM is found out") {
    CHECK(zone_problems(changed(good_zone, R"("ram")", R"("io")")) ==
          R"(z.json:4:21: /memory_regions: the zone has no RAM; expected a region of the type "ram")");
}

TEST_CASE("devices that do not fit the zone are found out") {
    const Change changes[] = {
        {R"("id": 1)", R"("id": 2)",
         "v.json:1:12: /zones: there is no element with the id 1 of zone linux2; add one"},
        {R"("0xa003c00")", R"("0xa003a00")",
         "v.json:5:30: /zones/0/devices/1/addr: the window 0xa003a00, size 0x200, is not inside a region of "
         "the type "
         "\"virtio\" of zone linux2; add one to its memory_regions"},
        {R"("0xa003c00", "len": "0x200")", R"("0xa003c00", "len": "0x400")",
         "v.json:5:30: /zones/0/devices/1/addr: the window 0xa003c00, size 0x400, is not inside a region of "
         "the type "
         "\"virtio\" of zone linux2; add one to its memory_regions"},
        {R"("0xa003c00", "len": "0x200")", R"("0xa003c00", "len": "0x100")",
         "v.json:5:50: /zones/0/devices/1/len: 0x100 is too small; expected at least 0x200"},
        {R"("0xa003c00")", R"("0xa003800")",
         "v.json:5:30: /zones/0/devices/1/addr: the window 0xa003800, size 0x200, overlaps that of "
         "/zones/0/devices/0"},
        {"78", "79",
         "v.json:5:66: /zones/0/devices/1/irq: interrupt 79 is not in the list \"interrupts\" of zone "
         "linux2; add it "
         "there"},
        {R"("zonex_ipa": "0x50000000")", R"("zonex_ipa": "0x40000000")",
         "v.json:2:22: /zones/0/memory_region/0: guest address 0x40000000 at 0x50000000 is not in the RAM of "
         "zone linux2; "
         "expected zonex_ipa, zone0_ipa and size of its regions of the type \"ram\""},
        {R"("0x30000000")", R"("0x30001000")",
         "v.json:2:22: /zones/0/memory_region/0: guest address 0x80000000 at 0x80000000 is not in the RAM of "
         "zone linux2; "
         "expected zonex_ipa, zone0_ipa and size of its regions of the type \"ram\""},
        {R"("0x30000000")", R"("0x30000001")",
         "v.json:2:86: /zones/0/memory_region/0/size: 0x30000001 is not a multiple of the page size 0x1000"},
    };
    for (const Change& change : changes) {
        INFO(change.from << " -> " << change.to);
        CHECK(device_problems(std::string(good_zone), changed(good_virtio, change.from, change.to)) ==
              change.message);
    }
}

TEST_CASE("RAM in two regions that follow each other is one for a device") {
    const std::string zone = changed(good_zone, R"("size": "0x30000000" },)",
                                     R"("size": "0x10000000" },
           { "type": "ram", "physical_start": "0x60000000", "virtual_start": "0x60000000", "size": "0x20000000" },)");
    CHECK(device_problems(zone, std::string(good_virtio)).empty());
}

TEST_CASE("an eighth interrupt, which the hypervisor panics at, is found out") {
    std::string devices;
    std::string interrupts;
    for (int i = 0; i < 8; ++i) {
        devices +=
            std::format(R"({}{{"type": "console", "addr": {}, "len": 512, "irq": {}, "status": "enable"}})",
                        i == 0 ? "" : ",\n", 0xa000000 + (0x200 * i), 70 + i);
        interrupts += std::format("{}{}", i == 0 ? "" : ",", 70 + i);
    }
    const std::string virtio =
        "{\"zones\":[{\"id\":1,\"memory_region\":[],\"devices\":[\n" + devices + "]}]}";
    std::string zone = changed(good_zone, R"("0xa003800")", R"("0xa000000")");
    zone = changed(zone, R"("size": "0x200")", R"("size": "0x1000")");
    zone = changed(zone, "[76, 78]", "[" + interrupts + "]");
    CHECK(device_problems(zone, virtio) == "v.json:9:59: /zones/0/devices/7/irq: this is the zone's "
                                           "interrupt number 8 for devices and the hypervisor holds 7; "
                                           "let devices share one");
}

TEST_CASE("a device's interrupt is one that can be given to a zone") {
    const std::string virtio = changed(good_virtio, R"("irq": 76)", R"("irq": 27)");
    CHECK(device_problems(changed(good_zone, "[76, 78]", "[27, 78]"), virtio)
              .contains("/zones/0/devices/0/irq: 27 is an interrupt of a CPU's own; expected 32 or more"));
}

TEST_CASE("a zone has an input device of the root zone once") {
    const auto evdev = [](std::string_view text, std::string_view type, std::string_view path) {
        return changed(text, std::format(R"("type": "{}")", type),
                       std::format(R"("type": "input", "model": "evdev", "path": "{}")", path));
    };
    const std::string keyboard = evdev(good_virtio, "console", "/dev/input/event3");
    const std::string plain = changed(keyboard, R"("img": "disk.img", )", "");
    CHECK(device_problems(std::string(good_zone), evdev(plain, "blk", "/dev/input/event4")).empty());
    CHECK(device_problems(std::string(good_zone), evdev(plain, "blk", "/dev/input/event3"))
              .ends_with(
                  "/zones/0/devices/1/path: /dev/input/event3 is that of /zones/0/devices/0, too; expected "
                  "another input device"));
}

} // namespace check_zone_test
