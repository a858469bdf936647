// SPDX-License-Identifier: Apache-2.0
#include "zone/check_limits.hpp"

#include "reading.hpp"
#include "zone/check_zone.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <format>
#include <string>
#include <string_view>

namespace check_limits_test {

using namespace hvisor::zone;
using test::Change;
using test::changed;
using test::good_one_file;
using test::good_zone;

namespace {

std::string problems(const std::string& text) {
    const auto checked = check_zone(test::read_zone(text));
    return checked ? "" : checked.error().message;
}

/// The good zone with another interrupt controller and more keys in the same place.
std::string with_arch(std::string_view arch, const std::string& keys) {
    std::string text =
        changed(good_one_file, R"("arch": "arm64")", std::string(R"("arch": ")").append(arch) + "\"");
    if (arch == "x86_64") {
        text = changed(text, R"("dtb": "generate", "dtb_load_paddr": "0x50000000",)", "");
        text = changed(text,
                       R"("cmdline": "console=hvc0 root=/dev/vda", "initrd_filepath": "initrd.gz", )"
                       R"("initrd_load_paddr": "0x58000000",)",
                       "");
    }
    const std::size_t at = text.find(R"("arch_config")");
    return text.replace(at, text.find('\n', at) - at, keys);
}

/// The keys of x86_64, of which `last` is the rest.
std::string x86_64(const std::string& last) {
    return with_arch("x86_64",
                     R"("arch_config": { "ioapic_base": 1, "ioapic_size": 1, "kernel_entry_gpa": 1,)" + last +
                         "},");
}

constexpr const char* setup = R"("setup_filepath": "s", "setup_load_hpa": "0x5000d000", )";
constexpr const char* good_setup = R"("setup_load_gpa": "0x5000d000", )";
constexpr const char* regions =
    R"("rsdp_memory_region_id": 1, "acpi_memory_region_id": 0, "uefi_memory_region_id": 0, )";
constexpr const char* screen = R"("screen_base": 0)";

} // namespace

TEST_CASE("what the hypervisor panics at is found in a zone file") {
    const Change changes[] = {
        {"[2, 3]", "[2, 2]", "z.json:3:15: /cpus/1: CPU 2 is in the list already"},
        {R"("dtb_load_paddr": "0x50000000")", R"("dtb_load_paddr": "0x90000000")",
         "z.json:10:40: /dtb_load_paddr: 0x90000000 is not in the zone's RAM; expected a physical address in "
         "a "
         "region of the type \"ram\""},
        {R"("zone_id": 1,)",
         R"("zone_id": 1, "pci_config": [ { "ecam_base": 0, "ecam_size": 0, "io_base": 0, "io_size": 0, "pci_io_base": 0,
            "mem32_base": 0, "mem32_size": 0, "pci_mem32_base": 0, "mem64_base": 0, "mem64_size": 0, "pci_mem64_base": 0,
            "bus_range_begin": 2, "bus_range_end": 1, "domain": 0 } ],)",
         "z.json:2:33: /pci_config/0: buses 2 to 1 are no range of PCI buses; expected bus_range_begin, "
         "bus_range_end of 0 to 255"},
        {R"("zone_id": 1,)",
         R"("zone_id": 1, "alloc_pci_devs": [ { "domain": 0, "bus": 0, "device": 32, "function": 0, "dev_type": 0 } ],)",
         "z.json:2:37: /alloc_pci_devs/0: 20.0 seen as 20.0 is no place on a PCI bus; expected a device of 0 "
         "to "
         "31 and a function of 0 to 7"},
        {R"("zone_id": 1,)",
         R"("zone_id": 1, "alloc_pci_devs": [ { "domain": 0, "bus": 0, "device": 1, "function": 0, "v_function": 8, "dev_type": 0 } ],)",
         "z.json:2:37: /alloc_pci_devs/0: 01.0 seen as 01.8 is no place on a PCI bus; expected a device of 0 "
         "to "
         "31 and a function of 0 to 7"},
    };
    for (const Change& change : changes) {
        INFO(change.from << " -> " << change.to);
        CHECK(problems(changed(good_one_file, change.from, change.to)) == change.message);
    }
}

TEST_CASE("counts that the hypervisor takes without a look are limited: the most is read, one more is not") {
    struct Limit {
        const char* place; ///< where the array goes
        const char* key;
        std::size_t most;
        std::string element;
    };
    const std::string bus =
        R"({ "ecam_base": 0, "ecam_size": 0, "io_base": 0, "io_size": 0, "pci_io_base": 0, "mem32_base": 0,
             "mem32_size": 0, "pci_mem32_base": 0, "mem64_base": 0, "mem64_size": 0, "pci_mem64_base": 0,
             "bus_range_begin": 0, "bus_range_end": 1, "domain": 0 })";
    const Limit limits[] = {
        {R"("memory_regions": [)", "memory_regions", 64,
         R"({ "type": "ram", "physical_start": 0, "virtual_start": 0, "size": 4096 })"},
        {R"("ivc_configs": [)", "ivc_configs", 2,
         R"({ "ivc_id": 0, "peer_id": 0, "control_table_ipa": 0, "shared_mem_ipa": 0, "rw_sec_size": 0,
              "out_sec_size": 0, "interrupt_num": 76, "max_peers": 2 })"},
        {R"("pci_config": [)", "pci_config", 4, bus},
        {R"("alloc_pci_devs": [)", "alloc_pci_devs", 32,
         R"({ "domain": 0, "bus": 0, "device": 1, "function": 0, "dev_type": 0 })"},
        {R"("interrupts": [)", "interrupts", 1024, "76"},
        {R"("cpus": [)", "cpus", 64, "2"},
    };
    for (const Limit& limit : limits) {
        for (const std::string_view form : {good_zone, good_one_file}) {
            const auto read_with = [&](std::size_t count) {
                std::string text(form);
                if (const std::size_t old = text.find(limit.place); old != std::string::npos) {
                    text.replace(old + 1, 1, "x-"); // a key that nobody reads in its place
                }
                std::string elements;
                for (std::size_t i = 0; i < count; ++i) {
                    elements += (i == 0 ? "" : ",") + limit.element;
                }
                text.insert(1, limit.place + elements + "],");
                const auto zone = read_zone_file(ConfigText{"z.json", text});
                return zone ? "" : zone.error().message;
            };
            INFO(limit.key);
            const std::string refusal = std::format("/{}: there are {} elements; expected at most {}",
                                                    limit.key, limit.most + 1, limit.most);
            CHECK(read_with(limit.most + 1).contains(refusal));
            CHECK_FALSE(read_with(limit.most).contains("elements; expected at most"));
        }
    }
}

TEST_CASE("sections of an IVC channel are whole pages, and the peer is one of its peers") {
    const auto with_ivc = [](const std::string& keys) {
        const std::string text =
            changed(good_one_file, R"("zone_id": 1,)",
                    R"("zone_id": 1, "ivc_configs": [ { "ivc_id": 0, "interrupt_num": 66, "max_peers": 2, )" +
                        keys + " } ],");
        return problems(changed(text, "[76, 78]", "[76, 78, 66]"));
    };
    CHECK(with_ivc(R"("peer_id": 1, "control_table_ipa": "0xd0000000", "shared_mem_ipa": "0xd0001000",
                      "rw_sec_size": 0, "out_sec_size": "0x1000")")
              .empty());
    const std::string text = with_ivc(R"("peer_id": 2, "control_table_ipa": "0xd0000001",
        "shared_mem_ipa": "0xd0001002", "rw_sec_size": 3, "out_sec_size": 4)");
    for (const char* part :
         {"/control_table_ipa: 0xd0000001 is not a multiple of the page size 0x1000",
          "/shared_mem_ipa: 0xd0001002 is not a multiple", "/rw_sec_size: 0x3 is not a multiple",
          "/out_sec_size: 0x4 is not a multiple",
          "/peer_id: peer 2 is none of the channel's 2 peers; expected 0 to max_peers - 1"}) {
        INFO(text);
        CHECK(text.contains(part));
    }
}

TEST_CASE("ids of zones with an ITS and on x86_64 are at most 3") {
    const std::string its =
        changed(good_one_file, R"("gicr_size")", R"("gits_base": 1, "gits_size": 1, "gicr_size")");
    CHECK(problems(changed(its, R"("zone_id": 1)", R"("zone_id": 3)")).empty());
    CHECK(problems(changed(its, R"("zone_id": 1)", R"("zone_id": 4)")) ==
          "z.json:2:14: /zone_id: 4 is above 3, which is the highest id of a zone with an ITS");
    CHECK(problems(changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 4)")).empty());
    const std::string text = x86_64(std::string(setup) + good_setup + regions + screen);
    CHECK(problems(text).empty());
    CHECK(problems(changed(text, R"("zone_id": 1)", R"("zone_id": 4)"))
              .contains("the highest id of a zone on x86_64"));
}

TEST_CASE("the boot parameters of x86_64 have their place") {
    CHECK(problems(x86_64(std::string(regions) + screen))
              .contains("/arch_config/setup_load_gpa: the hypervisor writes the boot parameters there"));
    CHECK(problems(x86_64(std::string(setup) + R"("setup_load_gpa": 0, )" + regions + screen))
              .contains("/arch_config/setup_load_gpa: the hypervisor writes"));
    const std::string good = x86_64(std::string(setup) + good_setup + regions + screen);
    for (const char* key : {"rsdp", "acpi", "uefi"}) {
        const std::string name = std::string(key) + "_memory_region_id";
        const std::size_t at = good.find(name) + name.size() + 3;
        CHECK(problems(std::string(good).replace(at, 1, "2"))
                  .contains("/arch_config/" + name + ": there is no memory region 2; expected 0 to 1"));
    }
    CHECK(problems(changed(good, R"("setup_load_gpa": "0x5000d000")", R"("setup_load_gpa": "0xd000")"))
              .contains("/arch_config/setup_load_gpa: 0xd000 is not where the guest sees "
                        "/arch_config/setup_load_hpa, 0x5000d000; expected 0x5000d000"));
    CHECK(problems(changed(good, screen, R"("screen_base": "0x100000000")"))
              .contains("/arch_config/screen_base: 0x100000000 is not below 4 GiB"));
}

TEST_CASE("on loongarch64 a virtio region has one address") {
    const std::string text = with_arch("loongarch64", R"("arch_config": {},)");
    CHECK(problems(text).empty());
    CHECK(problems(changed(text, R"("virtual_start": "0xa003000")", R"("virtual_start": "0xb003000")"))
              .contains("/memory_regions/1/virtual_start: 0xb003000 differs from physical_start, 0xa003000"));
}

TEST_CASE("a CPU that the board does not have is found out") {
    const auto with = [](const std::string& keys, const std::string& cpus) {
        return problems(changed(changed(good_one_file, "[2, 3]", cpus), R"("arch_config": { )",
                                R"("arch_config": { )" + keys));
    };
    const std::string four = R"("mpidr_mappings": ["0x0", "0x100", "0x200", "0x300"], )";
    CHECK(with(four, "[2, 3]").empty());
    CHECK(with(four, "[3, 4]") ==
          "z.json:3:15: /cpus/1: the board has no CPU 4; expected 0 to 3, the CPUs of "
          "/arch_config/mpidr_mappings");
    const auto frames = [](const std::string& size, const std::string& cpus) {
        return problems(changed(changed(good_one_file, "[2, 3]", cpus), R"("0xf60000")", size));
    };
    CHECK(frames(R"("0x80000")", "[2, 3]").empty());
    CHECK(frames(R"("0x80000")", "[2, 4]") ==
          "z.json:3:15: /cpus/1: CPU 4 has no redistributor in /arch_config/gicr_size, 0x80000; expected "
          "another CPU, or 0x20000 for each of the board's");
    const std::string v2 = with_arch("arm64", R"("arch_config": { "gic_version": "v2", "gicd_base": 1,
        "gicd_size": 1, "gicc_base": 1, "gicc_size": 1, "gicc_offset": 0, "gich_base": 1, "gich_size": 1,
        "gicv_base": 1, "gicv_size": 1 },)");
    CHECK(problems(changed(v2, "[2, 3]", "[7]")).empty());
    CHECK(problems(changed(v2, "[2, 3]", "[8]")) ==
          "z.json:3:12: /cpus/0: a GICv2 has no CPU 8; expected 0 to 7");
}

} // namespace check_limits_test
