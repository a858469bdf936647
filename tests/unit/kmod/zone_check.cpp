// SPDX-License-Identifier: Apache-2.0
#include "zone_check.h"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constexpr __u64 ram_start = 0x50000000;
constexpr __u64 ram_size = 0x30000000;

bool is_zone_ram(__u64 start, __u64 size) {
    return start >= ram_start && size <= ram_size && start - ram_start <= ram_size - size;
}

const char* io_conflict(__u64 start, __u64 size) {
    return zone_ranges_meet(start, size, 0x80000000, 0x40000000) ? "System RAM of the root zone" : nullptr;
}

zone_region region(zone_region_type type, __u64 physical, __u64 guest, __u64 size) {
    return {.type = type, .padding = 0, .physical_start = physical, .virtual_start = guest, .size = size};
}

/// A zone that is right in every way, on a board where the root zone has CPUs 0
/// and 1 and zone 2 has CPU 4.
class Fixture {
  public:
    Fixture() : bytes_(zone_layout_size(layout_)) {
        zones_[0].cpus = 0b00011;
        zones_[1].zone_id = 2;
        zones_[1].cpus = 0b10000;
        check.arch = ZONE_ARM64;
        check.zones = zones_.data();
        check.num_zones = 2;
        check.is_zone_ram = is_zone_ram;
        check.io_conflict = io_conflict;

        zone_config& zone = config();
        zone.zone_id = 1;
        zone.cpus = 0b01100;
        zone.num_memory_regions = 4;
        zone.memory_regions[0] = region(ZONE_RAM, ram_start, ram_start, ram_size);
        zone.memory_regions[1] = region(ZONE_VIRTIO, 0xa003800, 0xa003800, 0x200);
        zone.memory_regions[2] = region(ZONE_VIRTIO, 0xa003c00, 0xa003c00, 0x200);
        zone.memory_regions[3] = region(ZONE_IO, 0x9000000, 0x9000000, 0x1000);
        zone.num_ivc_configs = 1;
        zone.ivc_configs[0] = {.ivc_id = 0,
                               .peer_id = 1,
                               .control_table_ipa = 0xd0000000,
                               .shared_mem_ipa = 0xd0001000,
                               .rw_sec_size = 0,
                               .out_sec_size = 0x1000,
                               .interrupt_num = 66,
                               .max_peers = 2};
        zone.entry_point = zone.kernel_load_paddr = 0x50400000;
        zone.kernel_size = 0x2000000;
        zone.dtb_load_paddr = 0x50000000;
        zone.dtb_size = 0x1000;
        set(2360 + 8, 1);
        set(2360 + 88, 1);
    }

    zone_config& config() { return *reinterpret_cast<zone_config*>(bytes_.data()); }
    void set(std::size_t offset, __u64 value) { std::memcpy(bytes_.data() + offset, &value, sizeof(value)); }
    int result() { return zone_check_config(&check, bytes_.data(), layout_); }

    zone_check check{};

  private:
    const zone_layout* layout_ = zone_layout_by_name(ZONE_ARM64, "v6");
    std::vector<unsigned char> bytes_;
    std::array<hvisor_zone_info, 2> zones_{};
};

struct Refusal {
    Refusal(const char* what_, int error_, const char* reason_, std::function<void(Fixture&)> spoil_)
        : what(what_), reason(reason_), error(error_), spoil(std::move(spoil_)) {}

    const char* what;
    const char* reason; ///< part of it
    int error;
    std::function<void(Fixture&)> spoil;
};

const std::vector<Refusal>& refusals() {
    static const std::vector<Refusal> all = {
        {"zone 0", EINVAL, "zone id 0", [](Fixture& f) { f.config().zone_id = 0; }},
        {"zone 32", EINVAL, "expected 1 to 31", [](Fixture& f) { f.config().zone_id = 32; }},
        {"no CPU", EINVAL, "no CPU", [](Fixture& f) { f.config().cpus = 0; }},
        {"root's CPU", EBUSY, "belong to zone 0", [](Fixture& f) { f.config().cpus = 0b0110; }},
        {"another zone's CPU", EBUSY, "belong to zone 2", [](Fixture& f) { f.config().cpus = 0b10100; }},
        {"CPU without a slot in the page", EINVAL, "below 32",
         [](Fixture& f) { f.config().cpus = 1ULL << 32; }},
        {"CPU that the board lacks", EINVAL, "CPUs 0 to 3",
         [](Fixture& f) {
             f.check.board_cpus = 4;
             f.config().cpus = 1 << 5;
         }},
        {"too many regions", EINVAL, "65 memory regions",
         [](Fixture& f) { f.config().num_memory_regions = 65; }},
        {"too many channels", EINVAL, "3 IVC", [](Fixture& f) { f.config().num_ivc_configs = 3; }},
        {"too many buses", EINVAL, "5 PCI buses", [](Fixture& f) { f.set(2480, 5); }},
        {"too many PCI devices", EINVAL, "33 PCI devices", [](Fixture& f) { f.set(2904, 33); }},
        {"unknown region type", EINVAL, "type 5", [](Fixture& f) { f.config().memory_regions[0].type = 5; }},
        {"empty region", EINVAL, "size 0x0", [](Fixture& f) { f.config().memory_regions[1].size = 0; }},
        {"region that wraps", EINVAL, "beyond the last",
         [](Fixture& f) { f.config().memory_regions[0].size = -0x1000ULL; }},
        {"half a page of RAM", EINVAL, "whole 4 KiB",
         [](Fixture& f) { f.config().memory_regions[0].size -= 0x800; }},
        {"unaligned guest address", EINVAL, "whole 4 KiB",
         [](Fixture& f) { f.config().memory_regions[3].virtual_start += 0x10; }},
        {"RAM that is not for zones", EACCES, "region 0 (RAM 0x7fe00000",
         [](Fixture& f) {
             f.config().memory_regions[0] = region(ZONE_RAM, 0x7fe00000, 0x50000000, 0x400000);
         }},
        {"I/O on System RAM", EACCES, "touches System RAM",
         [](Fixture& f) { f.config().memory_regions[3].physical_start = 0xbffff000; }},
        {"regions that overlap", EINVAL, "overlap",
         [](Fixture& f) { f.config().memory_regions[3].virtual_start = 0x50000000; }},
        {"a window inside mapped I/O", EINVAL, "overlap",
         [](Fixture& f) { f.config().memory_regions[3].virtual_start = 0xa003000; }},
        {"a channel on RAM", EINVAL, "overlap",
         [](Fixture& f) { f.config().ivc_configs[0].shared_mem_ipa = 0x7ffff000; }},
        {"a channel that wraps", EINVAL, "IVC memory",
         [](Fixture& f) { f.config().ivc_configs[0].shared_mem_ipa = -0x1000ULL; }},
        {"kernel beyond RAM", EINVAL, "kernel",
         [](Fixture& f) { f.config().kernel_load_paddr = 0x7f000000; }},
        {"kernel larger than RAM", EINVAL, "kernel", [](Fixture& f) { f.config().kernel_size = ~0ULL; }},
        {"device tree below RAM", EINVAL, "device tree",
         [](Fixture& f) { f.config().dtb_load_paddr = 0x4ffff000; }},
        {"bad GIC tag", EINVAL, "GIC tag", [](Fixture& f) { f.set(2360 + 8, 2); }},
        {"bad UEFI tag", EINVAL, "UEFI tag", [](Fixture& f) { f.set(2360 + 88, 2); }},
        {"bad is_aarch32", EINVAL, "is_aarch32", [](Fixture& f) { f.set(2360, 2); }},
    };
    return all;
}

} // namespace

TEST_CASE("the layouts have the hypervisor's sizes") {
    const std::tuple<zone_arch, const char*, __u32> all[] = {
        {ZONE_ARM64, "v6", 3296},        {ZONE_ARM64, "v5b", 3264},       {ZONE_ARM64, "v5a", 3136},
        {ZONE_RISCV64, "v6", 3208},      {ZONE_RISCV64, "v5b", 3208},     {ZONE_RISCV64, "v5a", 3080},
        {ZONE_LOONGARCH64, "v6", 3184},  {ZONE_LOONGARCH64, "v5b", 3184}, {ZONE_LOONGARCH64, "v5a", 3056},
        {ZONE_X86_64, "v6", 3264},       {ZONE_X86_64, "v5b", 3264},      {ZONE_X86_64, "v5a", 3136},
        {ZONE_X86_64, "v5a-2025", 3128},
    };
    CHECK(std::size(all) == ZONE_LAYOUTS);
    for (const auto& [arch, name, size] : all) {
        const zone_layout* layout = zone_layout_by_name(arch, name);
        REQUIRE(layout != nullptr);
        CHECK(zone_layout_size(layout) == size);
        CHECK(zone_layout_size(zone_layout_by_size(arch, size)) == size);
    }
    const zone_layout* v6 = zone_layout_by_name(ZONE_ARM64, "v6");
    CHECK(zone_num_pci_bus_offset(v6) == 2480);
    CHECK(zone_num_pci_devs_offset(v6) == 2904);
    CHECK(zone_layout_by_size(ZONE_ARM64, 3295) == nullptr);
    CHECK(zone_layout_by_name(ZONE_ARM64, "v5a-2025") == nullptr);
}

TEST_CASE("the magic names the layout, the administrator where it does not") {
    const zone_layout* v6 = zone_layout_by_name(ZONE_ARM64, "v6");
    const zone_layout* v5a = zone_layout_by_name(ZONE_ARM64, "v5a");
    const zone_layout* v5b = zone_layout_by_name(ZONE_ARM64, "v5b");
    CHECK(zone_layout_by_magic(ZONE_ARM64, 6, nullptr) == v6);
    CHECK(zone_layout_by_magic(ZONE_ARM64, 6, v5a) == v6);
    CHECK(zone_layout_by_magic(ZONE_ARM64, 5, nullptr) == v5a);
    CHECK(zone_layout_by_magic(ZONE_ARM64, 5, v5b) == v5b);
    CHECK(zone_layout_by_magic(ZONE_ARM64, 7, nullptr) == nullptr);
    CHECK(zone_layout_by_magic(ZONE_ARM64, 7, v6) == v6);
}

TEST_CASE("a zone that is right is let through") {
    Fixture zone;
    CHECK(zone.result() == 0);
    CHECK(std::string(zone.check.reason).empty());
}

TEST_CASE("what does not concern a zone is not held against it") {
    Fixture zone;
    SECTION("no images") {
        zone.config().kernel_size = zone.config().dtb_size = zone.config().dtb_load_paddr = 0;
    }
    SECTION("a virtio window at the address of System RAM") {
        zone.config().memory_regions[1].physical_start = 0x90000000;
    }
    SECTION("its own entry in the list, which the hypervisor judges") {
        zone.config().zone_id = 2;
        zone.config().cpus = 0b10000;
    }
    SECTION("a high CPU without virtio") {
        zone.config().num_memory_regions = 1;
        zone.config().cpus = 1ULL << 40;
    }
    SECTION("a kernel that fills RAM") {
        zone.config().kernel_load_paddr = ram_start;
        zone.config().kernel_size = ram_size;
    }
    CHECK(zone.result() == 0);
}

TEST_CASE("what would stop the hypervisor or give memory away is refused") {
    for (const Refusal& refusal : refusals()) {
        DYNAMIC_SECTION(refusal.what) {
            Fixture zone;
            refusal.spoil(zone);
            CHECK(zone.result() == -refusal.error);
            CAPTURE(zone.check.reason);
            CHECK(std::string(zone.check.reason).find(refusal.reason) != std::string::npos);
        }
    }
}
