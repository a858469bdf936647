// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_file.hpp"
#include "zone_refusal.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <vector>

using namespace hvisor::zone;
using test::Change;
using test::changed;
using test::good_zone;
using test::refusal;

namespace {

ZoneConfig read(const std::string& text) {
    const auto zone = read_zone_file(ConfigText{"z.json", text});
    INFO((zone ? "" : zone.error().message));
    REQUIRE(zone);
    return zone->config;
}

} // namespace

TEST_CASE("a good zone file becomes the model") {
    const ZoneConfig zone = read(std::string(good_zone));
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
        CHECK(read(changed(good_zone, R"("0x30000000")", test.written)).memory_regions[0].size ==
              test.number);
    }
    for (const char* written : {R"("")", R"(" ")", R"("0x")", R"("1 ")", R"("08")", R"("-1")",
                                R"("0x10000000000000000")", R"("ten")"}) {
        INFO(written);
        CHECK(refusal(changed(good_zone, R"("0x30000000")", written))
                  .contains("is not a number of at most 64 bits"));
    }
}

TEST_CASE("older and looser forms of the file are read") {
    SECTION("keys in any case, unknown keys, comments and trailing commas") {
        std::string text = changed(good_zone, R"("zone_id")", R"("Zone_ID")");
        text = changed(text, R"("pci_config": [])", R"("arch": "arm64", /* a comment */ "kernel_args": "",)");
        CHECK(read(text).zone_id == 1);
    }
    SECTION("no gic_version, ivc_configs, pci_config") {
        std::string text = changed(good_zone, R"("gic_version": "v3",)", "");
        text = changed(text, R"("ivc_configs": [],)", "");
        text = changed(text, ",\n  \"pci_config\": []", "");
        CHECK(std::holds_alternative<GicV3>(std::get<Aarch64Config>(read(text).arch).gic));
    }
    SECTION("one PCI bus as an object, devices as numbers") {
        const ZoneConfig zone = read(changed(good_zone, R"("pci_config": [])",
                                             R"("num_pci_devs": 1, "alloc_pci_devs": [ 283 ], "pci_config": {
            "ecam_base": "0x4010000000", "ecam_size": "0x10000000", "io_base": "0x3eff0000", "io_size": "0x10000",
            "pci_io_base": "0x0", "mem32_base": "0x10000000", "mem32_size": "0x2eff0000", "pci_mem32_base": "0x10000000",
            "mem64_base": "0x8000000000", "mem64_size": "0x8000000000", "pci_mem64_base": "0x8000000000" })"));
        REQUIRE(zone.pci_config.size() == 1);
        CHECK(zone.pci_config[0].ecam_base == 0x4010000000);
        CHECK(zone.pci_config[0].bus_range_end == 255);
        REQUIRE(zone.alloc_pci_devs.size() == 1);
        CHECK(zone.alloc_pci_devs[0].bus == 1);
        CHECK(zone.alloc_pci_devs[0].v_device == 3);
        CHECK(zone.alloc_pci_devs[0].function == 3);
    }
    SECTION("a PCI device without v_* keys keeps its address") {
        const ZoneConfig zone = read(changed(
            good_zone, R"("pci_config": [])",
            R"("alloc_pci_devs": [ { "domain": "0", "bus": "0x2", "device": 16, "function": 3, "dev_type": "0" } ])"));
        CHECK(zone.alloc_pci_devs.at(0).v_bus == 2);
        CHECK(zone.alloc_pci_devs.at(0).v_device == 16);
        CHECK(zone.alloc_pci_devs.at(0).v_function == 3);
    }
    SECTION("PCI devices and host bridges of the branch of 2025-09") {
        const ZoneConfig zone =
            read(changed(good_zone, R"("pci_config": [])",
                         R"("alloc_pci_devs": [ { "bdf": "0x10", "vbdf": "0x119" }, { "bdf": 16 } ],
            "pci_config": [ { "ecam_base": "0x30000000", "ecam_size": "0x200000", "io_base": "0x3000000", "io_size": "0x10000",
            "pci_io_base": "0x0", "mem32_base": "0x40000000", "mem32_size": "0x40000000", "pci_mem32_base": "0x40000000",
            "mem64_base": "0x400000000", "mem64_size": "0x400000000", "pci_mem64_base": "0x400000000" } ])"));
        REQUIRE(zone.alloc_pci_devs.size() == 2);
        CHECK(zone.alloc_pci_devs[0].device == 2);
        CHECK(zone.alloc_pci_devs[0].v_bus == 1);
        CHECK(zone.alloc_pci_devs[0].v_device == 3);
        CHECK(zone.alloc_pci_devs[0].v_function == 1);
        CHECK(zone.alloc_pci_devs[1].v_device == 2);
        CHECK(zone.pci_config.at(0).bus_range_end == 1);
    }
    SECTION("no kernel and no device tree") {
        const ZoneConfig zone =
            read(changed(changed(good_zone, R"("Image")", R"("null")"), R"("zone1.dtb")", R"("null")"));
        CHECK(zone.images.empty());
        CHECK(zone.kernel_load_paddr == 0x50400000);
    }
    SECTION("modules") {
        const ZoneConfig zone = read(changed(
            good_zone, R"("pci_config": [])",
            R"("modules": [ { "name": "initrd", "filepath": "initrd.gz", "load_paddr": "0x58000000" } ])"));
        REQUIRE(zone.images.size() == 3);
        CHECK(zone.images[2].role == ImageRole::module);
        CHECK(zone.images[2].load_paddr == 0x58000000);
        CHECK(zone.images[2].path_key == "/modules/0/filepath");
    }
}

TEST_CASE("of Multiboot2's keys those are refused that would change the boot") {
    const auto with = [](const char* key) {
        const std::string arch =
            R"("arch_config": { "ioapic_base": "0x1", "ioapic_size": "0x1", "kernel_entry_gpa": "0x1",
            "rsdp_memory_region_id": "0x0", "acpi_memory_region_id": "0x0", "uefi_memory_region_id": "0x0", "screen_base": "0x0" })";
        std::string text(good_zone);
        const std::size_t at = text.find(R"("arch_config")");
        text.replace(at, text.find('\n', at) - at, arch + "," + key + ",");
        return read_zone_file(ConfigText{"z.json", text});
    };
    CHECK_FALSE(with(R"("boot_protocol": "multiboot2")"));
    CHECK_FALSE(with(R"("multiboot_enabled": true)"));
    CHECK(with(R"("multiboot_enabled": false)"));
    const auto other = with(R"("boot_protocol": "linux")");
    REQUIRE(other);
    REQUIRE(other->warnings.size() == 1);
    CHECK(other->warnings[0].ends_with("there is no such protocol; the guest boots as without this key"));
}
