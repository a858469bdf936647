// SPDX-License-Identifier: Apache-2.0
// Every form of upstream's files that people have: it is read, and config import makes one file
// of it with which the hypervisor gets the same bytes.
#include "reading.hpp"
#include "zone/candidates.hpp"
#include "zone/write_zone_file.hpp"
#include "zone/zone_encoder.hpp"
#include "zone/zone_file.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

namespace upstream_forms_test {

using namespace hvisor::zone;
using test::changed;
using test::good_virtio;
using test::good_zone;
using test::read_zone;

namespace {

/// The zone as it is read, after its import has been compared with it.
ZoneConfig imported(const std::string& text) {
    const ZoneFile zone = read_zone(text);
    CHECK(zone.form == Form::upstream);
    const ZoneFile again = read_zone(write_zone_file(zone, {}));
    CHECK(again.form == Form::one_file);
    CHECK(again.start.dtb == zone.start.dtb);
    REQUIRE(again.config.images.size() == zone.config.images.size());
    for (std::size_t i = 0; i < zone.config.images.size(); ++i) {
        CHECK(again.config.images[i].role == zone.config.images[i].role);
        CHECK(again.config.images[i].path == zone.config.images[i].path);
        CHECK(again.config.images[i].load_paddr == zone.config.images[i].load_paddr);
    }
    const ImageSizes sizes{.kernel = 1, .dtb = 2, .initrd = 3};
    for (const Layout layout : {Layout::v5a, Layout::v5b, Layout::v6}) {
        const bool is_same = encode(again.config, sizes, layout) == encode(zone.config, sizes, layout);
        CHECK(is_same);
    }
    return zone.config;
}

/// The good zone with another "arch_config", or none where `keys` is empty.
std::string with_arch(const std::string& keys) {
    std::string text(good_zone);
    const std::size_t at = text.find(R"("arch_config")");
    const std::size_t end = text.find('\n', at);
    return text.replace(at, end - at, keys.empty() ? "" : R"("arch_config": { )" + keys + " },");
}

/// The same for x86_64, which has no device tree: one file keeps no address of it.
std::string with_x86_64(const std::string& more = "") {
    return changed(
        with_arch(
            R"("ioapic_base": "0xfec00000", "ioapic_size": "0x1000", "kernel_entry_gpa": "0x100000", "screen_base": "0x0",
               "rsdp_memory_region_id": "0x1", "acpi_memory_region_id": "0x2", "uefi_memory_region_id": "0x0")" +
            more),
        R"("dtb_load_paddr": "0x50000000")", R"("dtb_load_paddr": "0x0")");
}

/// The good zone with other keys in the place of "pci_config".
std::string with_pci(const std::string& keys) {
    return changed(good_zone, R"("pci_config": [])", keys);
}

const std::string gic_v3 =
    R"("gicd_base": "0x8000000", "gicd_size": "0x10000", "gicr_base": "0x80a0000", "gicr_size": "0xf60000")";
const std::string bus =
    R"("ecam_base": "0x4010000000", "ecam_size": "0x10000000", "io_base": "0x3eff0000", "io_size": "0x10000",
       "pci_io_base": "0x0", "mem32_base": "0x10000000", "mem32_size": "0x2eff0000", "pci_mem32_base": "0x10000000",
       "mem64_base": "0x8000000000", "mem64_size": "0x8000000000", "pci_mem64_base": "0x8000000000")";

} // namespace

TEST_CASE("upstream's form: a virtio JSON with several zones gives each its own devices") {
    std::string second = changed(good_zone, "linux2", "linux3");
    second = changed(second, R"("zone_id": 1)", R"("zone_id": 2)");
    const std::string virtio = changed(good_virtio, "{ \"zones\": [ ",
                                       R"({ "zones": [ { "id": 2, "memory_region": [], "devices": [
             { "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "second.img", "status": "enable" } ] }, )");
    const Candidates read = read_candidates(std::vector<ConfigText>{
        {"v.json", virtio}, {"one.json", std::string(good_zone)}, {"two.json", second}});
    REQUIRE(read.findings.problems.empty());
    CHECK(read.findings.left_out.empty());
    REQUIRE(read.zones.size() == 2);
    REQUIRE(read.zones[0].devices().size() == 2);
    CHECK(read.zones[0].devices()[1].block.image == "disk.img");
    REQUIRE(read.zones[1].devices().size() == 1);
    CHECK(read.zones[1].devices()[0].block.image == "second.img");
}

TEST_CASE("upstream's form: arch_config of arm64") {
    const auto arch = [](const ZoneConfig& zone) { return std::get<Aarch64Config>(zone.arch); };
    // Files from before 2025-09 have no version, and none needs an ITS.
    Aarch64Config read = arch(imported(with_arch(gic_v3)));
    CHECK(std::get<GicV3>(read.gic).gicr_base == 0x80a0000);
    CHECK(std::get<GicV3>(read.gic).gits_size == 0);
    CHECK_FALSE(read.is_aarch32);
    CHECK_FALSE(read.uefi);
    read = arch(imported(with_arch(
        R"("gic_version": "v3", "gits_base": "0x8080000", "gits_size": "0x20000", "is_aarch32": 1, )" +
        gic_v3)));
    CHECK(std::get<GicV3>(read.gic).gits_base == 0x8080000);
    CHECK(read.is_aarch32);
    read = arch(imported(with_arch(
        R"("gic_version": "v2", "gicd_base": "0x8000000", "gicd_size": "0x10000", "gicc_base": "0x8010000",
           "gicc_size": "0x10000", "gicc_offset": "0x0", "gich_base": "0x8030000", "gich_size": "0x10000",
           "gicv_base": "0x8040000", "gicv_size": "0x10000")")));
    CHECK(std::get<GicV2>(read.gic).gicv_base == 0x8040000);
    read = arch(imported(with_arch(
        R"("memory_map_addr": "0x1000", "memory_map_size": "0x30", "sys_map_addr": "0x2000", )" + gic_v3)));
    REQUIRE(read.uefi);
    CHECK(read.uefi->sys_map_addr == 0x2000);
}

TEST_CASE("upstream's form: arch_config of riscv64, loongarch64 and x86_64") {
    const ZoneConfig riscv64 = imported(with_arch(
        R"("plic_base": "0xc000000", "plic_size": "0x4000000", "aplic_base": "0x0", "aplic_size": "0x0")"));
    CHECK(std::get<Riscv64Config>(riscv64.arch).plic_size == 0x4000000);

    // Upstream's tool reads nothing of it for loongarch64, whatever is there.
    const auto is_loongarch64 = [](const std::string& text) {
        return std::holds_alternative<Loongarch64Config>(imported(text).arch);
    };
    CHECK(
        is_loongarch64(changed(with_arch(""), R"("zone_id": 1)", R"("arch": "loongarch64", "zone_id": 1)")));
    CHECK(is_loongarch64(with_arch(R"("dummy": 1)")));

    CHECK(std::get<X8664Config>(imported(with_x86_64()).arch).acpi_memory_region_id == 2);
    const ZoneConfig x86_64 =
        imported(with_x86_64(R"(, "boot_filepath": "boot.bin", "boot_load_paddr": "0x50008000",
           "setup_filepath": "setup.bin", "setup_load_hpa": "0x5000d000", "setup_load_gpa": "0xd000",
           "initrd_filepath": "initrd.gz", "initrd_load_hpa": "0x58000000", "initrd_load_gpa": "0x8000000",
           "cmdline": "console=hvc0 root=/dev/vda", "cmdline_load_hpa": "0x5000c000", "cmdline_load_gpa": "0xc000")"));
    CHECK(x86_64.image(ImageRole::boot)->load_paddr == 0x50008000);
    CHECK(x86_64.image(ImageRole::dtb) == nullptr);
    const auto& arch = std::get<X8664Config>(x86_64.arch);
    CHECK(arch.setup_load_gpa == 0xd000);
    CHECK(arch.initrd_load_gpa == 0x8000000);
    CHECK(arch.cmdline == "console=hvc0 root=/dev/vda");
}

TEST_CASE("upstream's form: pci_config and alloc_pci_devs, old and new") {
    // Of 2024-11: one bus as an object, devices as numbers.
    ZoneConfig zone =
        imported(with_pci(R"("num_pci_devs": 1, "alloc_pci_devs": [ 283 ], "pci_config": { )" + bus + " }"));
    REQUIRE(zone.pci_config.size() == 1);
    CHECK(zone.pci_config[0].bus_range_end == 255);
    CHECK(zone.alloc_pci_devs.at(0).bus == 1);
    CHECK(zone.alloc_pci_devs.at(0).v_device == 3);
    CHECK(zone.alloc_pci_devs.at(0).function == 3);
    // Of 2025-09: both addresses of a device.
    zone = imported(with_pci(
        R"("alloc_pci_devs": [ { "bdf": "0x18", "vbdf": "0x119" }, { "bdf": 16 } ], "pci_config": [ { )" +
        bus + " } ]"));
    CHECK(zone.alloc_pci_devs.at(0).device == 3);
    CHECK(zone.alloc_pci_devs.at(0).v_bus == 1);
    CHECK(zone.alloc_pci_devs.at(0).v_function == 1);
    CHECK(zone.alloc_pci_devs.at(1).v_device == 2);
    // Of 2026-01: several buses, devices as objects, at first without v_*.
    const std::string range = R"(, "bus_range_begin": "0x1", "bus_range_end": 16, "domain": "0x0")";
    const std::string device =
        R"("domain": "0x0", "bus": "0x1", "device": "0x1", "function": "0x2", "dev_type": "0")";
    zone = imported(with_pci(R"("pci_config": [ { )" + bus + range + " }, { " + bus + range +
                             R"( } ], "alloc_pci_devs": [ { )" + device + " }, { " + device +
                             R"(, "v_bus": "0x5", "v_device": "0x6", "v_function": "0x7" } ])"));
    CHECK(zone.pci_config.at(1).bus_range_end == 16);
    CHECK(zone.alloc_pci_devs.at(0).v_bus == 1);
    CHECK(zone.alloc_pci_devs.at(0).v_function == 2);
    CHECK(zone.alloc_pci_devs.at(1).v_bus == 5);
    // Files from before 2024-11 have none.
    CHECK(imported(with_pci(R"("kernel_args": "")")).pci_config.empty());
}

TEST_CASE("upstream's form: ivc_configs, modules and files that are not there") {
    CHECK(imported(changed(good_zone, R"("ivc_configs": [],)", "")).ivc_configs.empty());
    const ZoneConfig with_channel =
        imported(changed(changed(good_zone, "[76, 78]", "[76, 78, 66]"), R"("ivc_configs": [])",
                         R"("ivc_configs": [ { "ivc_id": 0, "peer_id": 1, "control_table_ipa": "0xd0000000",
           "shared_mem_ipa": "0xd0001000", "rw_sec_size": "0", "out_sec_size": "0x1000", "interrupt_num": 66,
           "max_peers": 2 } ])"));
    CHECK(with_channel.ivc_configs.at(0).out_sec_size == 0x1000);
    const ZoneConfig with_module = imported(with_pci(
        R"("modules": [ { "name": "initrd", "filepath": "initrd.gz", "load_paddr": "0x58000000" } ])"));
    CHECK(with_module.image(ImageRole::module)->path == "initrd.gz");
    const ZoneConfig empty =
        imported(changed(changed(good_zone, R"("Image")", R"("null")"), R"("zone1.dtb")", R"("null")"));
    CHECK(empty.images.empty());
}

TEST_CASE("upstream's form: boot_protocol is read, and a protocol that cannot be had is refused") {
    const auto with = [](const std::string& key) {
        return changed(with_x86_64(), R"("pci_config": [])", key);
    };
    CHECK(imported(with(R"("multiboot_enabled": false)")).zone_id == 1);
    const ZoneFile other = read_zone(with(R"("boot_protocol": "linux")"));
    REQUIRE(other.warnings.size() == 1);
    CHECK(other.warnings[0].ends_with("there is no such protocol; the guest boots as without this key"));
    for (const char* key : {R"("boot_protocol": "multiboot2")", R"("multiboot_enabled": true)"}) {
        const auto refused = read_zone_file(ConfigText{"z.json", with(key)});
        REQUIRE_FALSE(refused);
        CHECK(refused.error().message.contains(
            "this hvisord starts no Multiboot2 guests, because what the hypervisor has to be told of one is "
            "not published; remove this key for a normal boot"));
    }
}

} // namespace upstream_forms_test
