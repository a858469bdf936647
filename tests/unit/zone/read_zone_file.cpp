// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/zone_file.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

namespace read_zone_file_test {

using namespace hvisor::zone;
using test::Change;
using test::changed;
using test::good_zone;
using test::read_zone;
using test::refusal;

TEST_CASE("a good zone file becomes the model") {
    const ZoneConfig zone = read_zone(std::string(good_zone)).config;
    CHECK(zone.zone_id == 1);
    CHECK(zone.name == "linux2");
    CHECK(zone.cpus == std::vector<std::uint32_t>{2, 3});
    CHECK(zone.cpu_mask() == 0xc);
    REQUIRE(zone.memory_regions.size() == 3);
    CHECK(zone.memory_regions[0].type == RegionType::ram);
    CHECK(zone.memory_regions[0].size == 0x30000000);
    CHECK(zone.memory_regions[2].type == RegionType::virtio);
    CHECK(zone.memory_regions[2].physical_start == 0xa003c00);
    CHECK(zone.interrupts == std::vector<std::uint32_t>{76, 78});
    CHECK(zone.entry_point == 0x50400000);
    REQUIRE(zone.images.size() == 2);
    CHECK(zone.images[0].path == "Image");
    CHECK(zone.images[0].load_paddr == 0x50400000);
    CHECK(zone.images[0].path_key == "/kernel_filepath");
    CHECK(zone.images[1].address_key == "/dtb_load_paddr");
    const auto& gic = std::get<GicV3>(std::get<Aarch64Config>(zone.arch).gic);
    CHECK(gic.gicr_size == 0xf60000);
    CHECK(gic.gits_base == 0);
    CHECK_FALSE(std::get<Aarch64Config>(zone.arch).uefi);
}

TEST_CASE("what is wrong with a zone file is said with its place, key and what belongs there") {
    const Change changes[] = {
        {R"("zone_id": 1,)", "", "z.json:1:1: /zone_id: this key is missing; expected a number"},
        {R"("zone_id": 1)", R"("zone_id": "1")",
         "z.json:2:14: /zone_id: expected a plain number without quotes, found a string"},
        {R"("zone_id": 1)", R"("zone_id": -1)", "z.json:2:14: /zone_id: -1 is negative; expected 0 or more"},
        {R"("name": "linux2",)", "",
         "z.json:1:1: /name: this key is missing; expected a name of 1 to 32 bytes"},
        {"linux2", "", "z.json:1:11: /name: the name is 0 bytes long; expected 1 to 32"},
        {"linux2", "abcdefghijklmnopqrstuvwxyz0123456",
         "z.json:1:11: /name: the name is 33 bytes long; expected 1 to 32"},
        {"linux2", R"(a\nb)",
         "z.json:1:11: /name: the name contains a control character; expected letters, digits and the like"},
        {R"("linux2")", "7", "z.json:1:11: /name: expected a name of 1 to 32 bytes, found a number"},
        {"[2, 3]", "[2, 64]", "z.json:3:15: /cpus/1: 64 is no CPU number; expected 0 to 63"},
        {"[2, 3]", R"([2, "3"])",
         "z.json:3:15: /cpus/1: expected a plain number without quotes, found a string"},
        {"[2, 3]", "2", "z.json:3:11: /cpus: expected an array of CPU numbers, found a number"},
        {R"("type": "ram", )", "",
         R"(z.json:5:5: /memory_regions/0/type: this key is missing; expected "ram", "io" or "virtio")"},
        {R"("ram")", R"("rom")",
         "z.json:5:15: /memory_regions/0/type: \"rom\" is no type of region; expected \"ram\", \"io\" or "
         "\"virtio\""},
        {R"("0x50000000", "virtual)", R"("0x5000000g", "virtual)",
         "z.json:5:40: /memory_regions/0/physical_start: \"0x5000000g\" is not a number of at most 64 bits; "
         "expected one "
         "such as 4096 or \"0x1000\""},
        {R"("0x30000000")", "4294967296",
         "z.json:5:93: /memory_regions/0/size: 4294967296 is above 2147483647, which upstream's tool would "
         "take instead; "
         "write it as a string, in decimal or as \"0x...\""},
        {R"("0x30000000")", "true",
         "z.json:5:93: /memory_regions/0/size: expected a number such as 4096 or \"0x1000\", found true or "
         "false"},
        {"[76, 78]", "[76, 1024]", "z.json:8:22: /interrupts/1: 1024 is too large; expected at most 1023"},
        {R"("interrupts": [76, 78],)", "",
         "z.json:1:1: /interrupts: this key is missing; expected the interrupt ids the zone owns, such as "
         "[76, 78]"},
        {R"("Image")", R"("")",
         "z.json:10:22: /kernel_filepath: the path is empty; expected the path of a file, or \"null\" for "
         "none"},
        {R"("Image")", "null",
         R"(z.json:10:22: /kernel_filepath: expected the path of a file, or "null" for none, found null)"},
        {R"("kernel_load_paddr": "0x50400000",)", "",
         R"(z.json:1:1: /kernel_load_paddr: this key is missing; expected a number such as 4096 or "0x1000")"},
        {R"("v3")", R"("v4")",
         R"(z.json:15:35: /arch_config/gic_version: "v4" is no GIC version; expected "v2" or "v3")"},
        {R"("gicr_size": "0xf60000")", R"("x": 1)",
         "z.json:15:18: /arch_config/gicr_size: this key is missing; expected a number such as 4096 or "
         "\"0x1000\""},
        {R"("gic_version": "v3")", R"("gits_base": 1)",
         "z.json:15:18: /arch_config/gits_size: this key is missing; expected a number such as 4096 or "
         "\"0x1000\""},
        {R"("ivc_configs": [])", R"("ivc_configs": [1,2,3])",
         "z.json:9:18: /ivc_configs: there are 3 elements; expected at most 2"},
        {R"("ivc_configs": [])", R"("ivc_configs": [1])",
         "z.json:9:19: /ivc_configs/0: expected an object with the keys of one IVC channel, found a number"},
        {R"("pci_config": [])", R"("modules": [ {"filepath": "initrd"} ])",
         "z.json:16:16: /modules/0/load_paddr: this key is missing; expected a number such as 4096 or "
         "\"0x1000\""},
        {R"("pci_config": [])", R"("alloc_pci_devs": [ 65536 ])",
         "z.json:16:23: /alloc_pci_devs/0: 65536 is too large; expected at most 65535"},
        {R"("zone_id")", R"("zones": 1, "zone_id")",
         "z.json:1:1: this is a virtio configuration; expected a zone configuration with zone_id and name"},
    };
    for (const Change& change : changes) {
        INFO(change.from << " -> " << change.to);
        CHECK(refusal(changed(good_zone, change.from, change.to)) == change.message);
    }
    CHECK(refusal("[]") == "z.json:1:1: expected an object with the keys of a zone, found an array");
}

TEST_CASE("all problems of a file are told at once") {
    std::string text = changed(good_zone, R"("zone_id": 1)", R"("zone_id": "one")");
    text = changed(text, R"("linux2")", "false");
    text = changed(text, R"("0xa003c00")", R"("0xa003c0o")");
    CHECK(refusal(text) == "z.json:2:14: /zone_id: expected a plain number without quotes, found a string\n"
                           "z.json:1:11: /name: expected a name of 1 to 32 bytes, found true or false\n"
                           "z.json:7:43: /memory_regions/2/physical_start: \"0xa003c0o\" is not a number of "
                           "at most 64 bits; expected one "
                           "such as 4096 or \"0x1000\"");
}

TEST_CASE("numbers are read as upstream reads them") {
    struct Case {
        const char* written;
        std::uint64_t number;
    };
    for (const Case& test :
         {Case{R"("0x1000")", 0x1000}, Case{R"("0X1000")", 0x1000}, Case{R"("4096")", 4096},
          Case{R"("010")", 8}, Case{R"("0")", 0}, Case{R"(" \t+16")", 16}, Case{"4096", 4096},
          Case{"78.9", 78}, Case{"1e3", 1000}, Case{"2147483647", 2147483647},
          Case{R"("0xffffffffffffffff")", UINT64_MAX}, Case{R"("18446744073709551615")", UINT64_MAX}}) {
        INFO(test.written);
        CHECK(read_zone(changed(good_zone, R"("0x30000000")", test.written)).config.memory_regions[0].size ==
              test.number);
    }
    for (const char* written : {R"("")", R"(" ")", R"("0x")", R"("1 ")", R"("08")", R"("-1")",
                                R"("0x10000000000000000")", R"("ten")"}) {
        INFO(written);
        CHECK(refusal(changed(good_zone, R"("0x30000000")", written))
                  .contains("is not a number of at most 64 bits"));
    }
}

TEST_CASE("upstream's keys are read in any case, with unknown ones, comments and trailing commas") {
    std::string text = changed(good_zone, R"("zone_id")", R"("Zone_ID")");
    text = changed(text, R"("pci_config": [])", R"("arch": "arm64", /* a comment */ "kernel_args": "",)");
    CHECK(read_zone(text).config.zone_id == 1);
}

} // namespace read_zone_file_test
