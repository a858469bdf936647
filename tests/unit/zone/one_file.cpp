// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/check_zone.hpp"
#include "zone/file_references.hpp"
#include "zone/zone_file.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>

namespace one_file_test {

using namespace hvisor::zone;
using test::Change;
using test::changed;
using test::good_one_file;
using test::good_zone;
using test::read_zone;
using test::refusal;

TEST_CASE("a zone of one file has its devices and how it is started") {
    const ZoneFile zone = read_zone(std::string(good_one_file));
    CHECK(zone.form == Form::one_file);
    CHECK(zone.warnings.empty());
    CHECK(zone.start.dtb == DtbSource::generate);
    CHECK(zone.start.cmdline == "console=hvc0 root=/dev/vda");
    CHECK(zone.start.restart == RestartPolicy::on_failure);
    CHECK(zone.start.clear_ram);
    CHECK(zone.config.image(ImageRole::dtb) == nullptr);
    CHECK(zone.config.dtb_load_paddr == 0x50000000);
    REQUIRE(zone.config.image(ImageRole::initrd) != nullptr);
    CHECK(zone.config.image(ImageRole::initrd)->load_paddr == 0x58000000);
    REQUIRE(zone.devices.size() == 2);
    CHECK(zone.devices[1].block.image == "disk.img");
    CHECK(zone.devices[1].pointer == "/devices/1");
    const VirtioFile virtio = own_devices(zone);
    REQUIRE(virtio.config.zone(1) != nullptr);
    CHECK(virtio.config.zone(1)->devices.size() == 2);
    CHECK(check_zone(zone));
    CHECK(check_devices(zone, virtio));
}

TEST_CASE("the files of a one-file zone are those of its images and of its disks") {
    const auto files = referenced_files(ConfigText{"z.json", std::string(good_one_file)});
    REQUIRE(files);
    REQUIRE(files->size() == 3);
    CHECK(files->at(0).path == "Image");
    CHECK(files->at(1).path == "initrd.gz");
    CHECK(files->at(2).path == "disk.img");
    CHECK(files->at(2).writable);
}

TEST_CASE("a zone JSON of upstream's form has no devices and no options, but a device tree") {
    const ZoneFile zone = read_zone(std::string(good_zone));
    CHECK(zone.form == Form::upstream);
    CHECK(zone.devices.empty());
    CHECK(zone.start.dtb == DtbSource::file);
    CHECK(zone.start.restart == RestartPolicy::never);
    CHECK(read_zone(changed(good_zone, R"("zone1.dtb")", R"("null")")).start.dtb == DtbSource::none);
}

TEST_CASE("what a one-file zone can leave out has a default") {
    std::string text = changed(good_one_file, R"("restart": "on-failure", "clear_ram": true,)", "");
    text = changed(text, R"("dtb": "generate",)", R"("dtb_filepath": "zone1.dtb",)");
    text = changed(text, R"("cmdline": "console=hvc0 root=/dev/vda",)", "");
    text = changed(text, R"("initrd_filepath": "initrd.gz", "initrd_load_paddr": "0x58000000",)", "");
    const ZoneFile zone = read_zone(text);
    CHECK(zone.start.dtb == DtbSource::file);
    CHECK(zone.start.restart == RestartPolicy::never);
    CHECK_FALSE(zone.start.clear_ram);
    text = changed(text, R"("dtb_filepath": "zone1.dtb",)", "");
    text = changed(text, R"("dtb_load_paddr": "0x50000000",)", "");
    CHECK(read_zone(text).start.dtb == DtbSource::none);
}

TEST_CASE("what is wrong with a one-file zone is said with its place, key and what belongs there") {
    const Change changes[] = {
        {R"("zone_id": 1)", R"("zone_di": 1)",
         "z.json:2:14: /zone_di: there is no such key; did you mean zone_id?"},
        {R"("zone_id": 1)", R"("Zone_ID": 1)",
         "z.json:2:14: /Zone_ID: there is no such key; did you mean zone_id?"},
        {R"("irq": 76)", R"("iqr": 76)",
         "z.json:16:70: /devices/0/iqr: there is no such key; did you mean irq?"},
        {R"("irq": 76)", R"("irq": 76, "img": "x")",
         "z.json:16:81: /devices/0/img: there is no such key; remove it"},
        {R"("irq": 76)", R"("irq": 76, "irq": 77)",
         "z.json:16:81: /devices/0/irq: this key is repeated; it stands at z.json:16:70 already"},
        {R"("irq": 76)", R"("irq": 76, "status": "enabled")",
         "z.json:16:84: /devices/0/status: \"enabled\" is none of the words for this; expected \"enable\" or "
         "\"disable\""},
        {R"("irq": 76)", R"("irq": "076")",
         "z.json:16:70: /devices/0/irq: \"076\" is not a number as it is written here; expected a whole one "
         "of "
         "0 or more and at most 64 bits, decimal such as 4096 or hexadecimal such as \"0x1000\""},
        {R"("irq": 76)", R"("irq": 76.5)",
         "z.json:16:70: /devices/0/irq: 76.5 is not a number as it is written here; expected a whole one of "
         "0 "
         "or more and at most 64 bits, decimal such as 4096 or hexadecimal such as \"0x1000\""},
        {R"("irq": 76)", R"("irq": null)",
         "z.json:16:70: /devices/0/irq: expected a number such as 4096 or \"0x1000\", found null"},
        {R"("clear_ram": true)", R"("clear_ram": 1)",
         "z.json:12:41: /clear_ram: expected true or false, found a number"},
        {R"("on-failure")", R"("sometimes")",
         "z.json:12:14: /restart: \"sometimes\" is none of the words for this; expected \"never\", "
         "\"on-failure\" or \"always\""},
        {R"("generate")", R"("make")",
         "z.json:10:10: /dtb: \"make\" is none of the words for this; expected \"none\", \"file\", \"patch\" "
         "or \"generate\""},
        {R"("generate")", R"("patch")",
         R"(z.json:1:1: /dtb_filepath: this key is missing; expected the path of a file, or "null" for none)"},
        {R"("dtb": "generate")", R"("dtb": "generate", "dtb_filepath": "x.dtb")",
         "z.json:10:38: /dtb_filepath: this file is not used with \"dtb\": \"generate\"; remove it, or write "
         "\"file\" or \"patch\""},
        {R"("dtb": "generate")", R"("dtb": "patch", "dtb_filepath": "null")",
         "z.json:10:35: /dtb_filepath: there has to be a device tree here; expected the path of a file"},
        {R"("dtb_load_paddr": "0x50000000",)", "",
         R"(z.json:1:1: /dtb_load_paddr: this key is missing; expected a number such as 4096 or "0x1000")"},
        {R"("initrd_filepath": "initrd.gz",)", "",
         "z.json:1:1: /initrd_filepath: this key is missing; expected the path of a file, or \"null\" for "
         "none"},
        {R"("arch": "arm64")", R"("arch": "riscv64")",
         "z.json:14:18: /arch_config: these are the keys of arm64, and \"arch\" says riscv64; expected those "
         "of one"},
        {R"("arch": "arm64")", R"("arch": "arm")",
         "z.json:1:29: /arch: \"arm\" is no architecture; expected \"arm64\", \"riscv64\", \"loongarch64\" "
         "or "
         "\"x86_64\""},
        {R"("img": "disk.img" } ] })", R"("img": "disk.img" } ] } { })",
         "z.json:17:93: there is text behind the end of the zone; remove it"},
    };
    for (const Change& change : changes) {
        INFO(change.from << " -> " << change.to);
        CHECK(refusal(changed(good_one_file, change.from, change.to)) == change.message);
    }
}

TEST_CASE("command line and initial RAM disk need a device tree that can tell the guest") {
    const std::string text =
        refusal(changed(good_one_file, R"("dtb": "generate")", R"("dtb": "file", "dtb_filepath": "x.dtb")"));
    CHECK(text == "z.json:11:63: /initrd_filepath: the guest learns of this from its device tree; expected "
                  "\"dtb\": \"patch\" or \"generate\" beside it\n"
                  "z.json:11:14: /cmdline: the guest learns of this from its device tree; expected \"dtb\": "
                  "\"patch\" or \"generate\" beside it");
}

TEST_CASE("numbers of a one-file zone are numbers, decimal strings or hexadecimal strings") {
    const auto size = [](const std::string& written) {
        return read_zone(changed(good_one_file, R"("0x30000000")", written)).config.memory_regions[0].size;
    };
    CHECK(size("805306368") == 0x30000000);
    CHECK(size(R"("805306368")") == 0x30000000);
    CHECK(size("4294967296") == 0x100000000);
    CHECK(size(R"("0xffffffffffffffff")") == UINT64_MAX);
    CHECK(read_zone(changed(good_one_file, R"("zone_id": 1)", R"("zone_id": "0x1")")).config.zone_id == 1);
    for (const char* written : {R"("")", R"(" 1")", R"("1 ")", R"("+1")", R"("010")", R"("0X10")", R"("0x")",
                                "1e3", "-1", "1.0", R"("0x10000000000000000")"}) {
        INFO(written);
        CHECK(refusal(changed(good_one_file, R"("0x30000000")", written)).contains("is not a number"));
    }
}

TEST_CASE("a guest on x86_64 has no device tree") {
    std::string text = changed(good_one_file, R"("arch": "arm64")", R"("arch": "x86_64")");
    const std::size_t at = text.find(R"("arch_config")");
    text.replace(at, text.find('\n', at) - at,
                 R"("arch_config": { "ioapic_base": 1, "ioapic_size": 1, "kernel_entry_gpa": 1, )"
                 R"("rsdp_memory_region_id": 1, "acpi_memory_region_id": 1, "uefi_memory_region_id": 1, )"
                 R"("screen_base": 0 },)");
    const std::string problems = refusal(text);
    for (const char* key : {"/dtb:", "/dtb_load_paddr:", "/cmdline:", "/initrd_filepath:"}) {
        INFO(problems);
        CHECK(problems.contains(std::string(key) + " there is no such key"));
    }
}

TEST_CASE("a disabled device of a one-file zone is left out, but has to be right") {
    CHECK(read_zone(changed(good_one_file, R"("irq": 76)", R"("irq": 76, "status": "disable")"))
              .devices.size() == 1);
    CHECK(refusal(changed(good_one_file, R"("irq": 76)", R"("status": "disable")"))
              .contains("/devices/0/irq: this key is missing"));
    CHECK(
        read_zone(changed(good_one_file, R"("console")", R"("scmi", "clock_ids": [4], "status": "disable")"))
            .devices.size() == 1);
}

TEST_CASE("what upstream's tool ignores in its own files is a warning") {
    std::string text = changed(good_zone, R"("zone_id": 1)", R"("zone_id": 1, "ZONE_ID": 2)");
    text = changed(text, R"("pci_config": [])", R"("kernel_args": "", "modules_": [])");
    text = changed(text, R"("size": "0x200" },)", R"("size": "512" },)");
    const ZoneFile zone = read_zone(text);
    CHECK(zone.config.zone_id == 1);
    CHECK(zone.config.memory_regions[1].size == 512);
    REQUIRE(zone.warnings.size() == 4);
    CHECK(zone.warnings[0] ==
          "z.json:6:94: /memory_regions/1/size: \"512\" was hexadecimal for upstream's tool "
          "before 2026-03 and is decimal now; write it with 0x, or as a number");
    CHECK(zone.warnings[1] ==
          "z.json:2:28: /ZONE_ID: this key is repeated and ignored; the one at z.json:2:14 counts");
    CHECK(zone.warnings[2] == "z.json:16:18: /kernel_args: this key is ignored, as upstream's tool does");
    CHECK(zone.warnings[3] ==
          "z.json:16:34: /modules_: this key is ignored, as upstream's tool does; did you mean modules?");
}

TEST_CASE("what a wrong key leaves to judge is judged with it") {
    // A CPU, an interrupt and an id that cannot be, and a misspelt key of the controller.
    std::string text = changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 0)");
    text = changed(text, R"("irq": 78)", R"("irq": 46)");
    text = changed(text, R"("kernel_load_paddr": "0x50400000")", R"("kernel_load_paddr": "50400000")");
    const auto with_cpu = read_zone_file(ConfigText{"z.json", changed(text, "[2, 3]", "[2, 77]")});
    REQUIRE_FALSE(with_cpu);
    CHECK(with_cpu.error().message ==
          "z.json:3:15: /cpus/1: 77 is no CPU number; expected 0 to 63\n"
          "z.json:8:52: /kernel_load_paddr: 0x3010b00, written in decimal, is not in the zone's RAM; "
          "expected a "
          "physical address in a region of the type \"ram\"\n"
          "z.json:2:14: /zone_id: zone 0 is the root zone, which runs already; expected 1 to 31\n"
          "z.json:17:66: /devices/1/irq: interrupt 46 is not in the list \"interrupts\" of zone linux2, "
          "which has "
          "78; expected that for SPI 46");
    // Nothing is said of what the wrong key is part of.
    const auto with_controller =
        read_zone_file(ConfigText{"z.json", changed(text, R"("gicd_base")", R"("gicd_bas")")});
    REQUIRE_FALSE(with_controller);
    CHECK(with_controller.error().message ==
          "z.json:14:32: /arch_config/gicd_bas: there is no such key; did you mean gicd_base?\n"
          "z.json:2:14: /zone_id: zone 0 is the root zone, which runs already; expected 1 to 31");
}

TEST_CASE("a key that is a long or a short form of another is taken for it") {
    const auto problem = [](const char* from, const char* to) {
        const auto zone = read_zone_file(ConfigText{"z.json", changed(good_one_file, from, to)});
        return zone ? "" : zone.error().message;
    };
    CHECK(problem(R"("img")", R"("image")") ==
          "z.json:17:79: /devices/1/image: there is no such key; did you mean img?");
    CHECK(problem(R"("addr": "0xa003c00")", R"("address": "0xa003c00")").contains("did you mean addr?"));
    CHECK(problem(R"("kernel_filepath")", R"("kernel_path")").contains("did you mean kernel_filepath?"));
}

} // namespace one_file_test
