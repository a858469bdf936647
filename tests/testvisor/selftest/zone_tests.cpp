// SPDX-License-Identifier: Apache-2.0
//
// The life of zones: starts, stops in every state, memory, faults.
#include <initializer_list>

#include "machine.hpp"
#include "tests.hpp"
#include "zone_info.hpp"

namespace selftest {
namespace {

void two_zones_in_the_list() {
    if (!start_and_wait(7, 0x8) || !start_and_wait(3, 0x4)) {
        return;
    }
    CHECK_EQUAL(start(configuration(7, 0x4)), -22);
    CHECK_EQUAL(start(configuration(8, 0x4)), -16);
    ZoneInfo zones[4] = {};
    CHECK_EQUAL(list(zones, 4), 3);
    CHECK_EQUAL(zones[1].id, 7);
    CHECK_EQUAL(zones[1].cpus, 8);
    CHECK(named(zones[1], "helper"));
    CHECK_EQUAL(zones[2].id, 3);
    CHECK_EQUAL(list(zones, 2), 2);
    CHECK_EQUAL(hvc(zone_shutdown, 7), 0);
    CHECK_EQUAL(list(zones, 4), 2);
    CHECK_EQUAL(zones[1].id, 3);
    CHECK_EQUAL(hvc(zone_shutdown, 3), 0);
}

void device_tree_address() {
    testvisor::ConfigV6& config = configuration(1, 0x4);
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    CHECK_EQUAL(start_argument(2), config.prefix.dtb_load_paddr);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);

    // The last region with it decides, and its guest address counts.
    configuration(1, 0x4);
    config.prefix.dtb_load_paddr = config.prefix.regions[0].physical + 0x12000;
    config.prefix.region_count = 4;
    config.prefix.regions[3] = {testvisor::region_ram, 0, config.prefix.dtb_load_paddr & ~0xfffUL,
                                0x7000000000, 0x1000};
    std::uint64_t before = starts(2);
    CHECK_EQUAL(start(config), 0);
    CHECK(wait_for_start(2, before));
    CHECK_EQUAL(start_argument(2), 0x7000000000);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);

    configuration(1, 0x4);
    config.prefix.dtb_load_paddr = 0x60000000;
    before = starts(2);
    CHECK_EQUAL(start(config), 0);
    CHECK(wait_for_start(2, before));
    CHECK_EQUAL(start_argument(2), ~0UL);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void memory_and_devices_of_a_zone() {
    constexpr std::uint64_t physical = 0x51203000;
    constexpr std::uint64_t guest = 0x20000000;
    testvisor::ConfigV6& config = configuration(1, 0x4);
    config.prefix.region_count = 5;
    // Of single pages, as the offset is no multiple of a block.
    config.prefix.regions[3] = {testvisor::region_ram, 0, physical, guest, 0x400000};
    config.prefix.regions[4] = {testvisor::region_io, 0, 0x9000000, 0x30000000, 0x1000};
    const std::uint64_t before = starts(2);
    CHECK_EQUAL(start(config), 0);
    CHECK(wait_for_start(2, before));
    for (std::uint64_t offset = 0; offset < 0x400000; offset += 0x1ff000) {
        mmio_write<std::uint64_t>(physical + offset, offset + 42);
        CHECK_EQUAL(run_on(
                        2, [](std::uint64_t at) { return mmio_read<std::uint64_t>(at); }, guest + offset),
                    offset + 42);
    }
    // The UART's peripheral identification.
    CHECK_EQUAL(run_on(
                    2,
                    [](std::uint64_t at) { return static_cast<std::uint64_t>(mmio_read<std::uint32_t>(at)); },
                    0x30000fe0),
                0x11);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void faults_mark_the_zone() {
    ZoneInfo zones[2];
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    const std::uint64_t skipped = run_on(
        2,
        [](std::uint64_t at) {
            std::uint64_t value = 0x1111;
            asm volatile("ldr %0, [%1]" : "+r"(value) : "r"(at));
            asm volatile("str %0, [%1]" : : "r"(value), "r"(at));
            return value;
        },
        0x9000000);
    CHECK_EQUAL(skipped, 0x1111);
    CHECK_EQUAL(list(zones, 2), 2);
    CHECK_EQUAL(zones[1].is_error, 1);
    CHECK_EQUAL(zones[0].is_error, 0);
    // A pair of registers is not described to the hypervisor.
    run_on(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            std::uint64_t first = 0;
            std::uint64_t second = 0;
            asm volatile("ldp %0, %1, [%2]" : "+r"(first), "+r"(second) : "r"(at));
            return first;
        },
        window);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);

    if (!start_and_wait(1, 0x4)) {
        return;
    }
    list(zones, 2);
    CHECK_EQUAL(zones[1].is_error, 0);
    ask(2, [](std::uint64_t at) { return reinterpret_cast<std::uint64_t (*)()>(at)(); }, 0x1000);
    CHECK(wait_until([&zones] {
        list(zones, 2);
        return zones[1].is_error == 1;
    }));
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

std::uint64_t spin(std::uint64_t) {
    for (;;) {
    }
}

std::uint64_t sleep(std::uint64_t) {
    for (;;) {
        asm volatile("wfi");
    }
}

extern "C" char helper_entry[];

void stopped_in_every_state() {
    struct State {
        Work first;
        Work second;
    };
    for (const State& state :
         {State{spin, spin}, State{sleep, sleep}, State{spin, sleep}, State{sleep, spin}}) {
        if (!start_and_wait(1, 0xc)) {
            return;
        }
        const std::uint64_t before = starts(3);
        run_on(
            2, [](std::uint64_t entry) { return static_cast<std::uint64_t>(smc(psci_cpu_on, 3, entry)); },
            reinterpret_cast<std::uint64_t>(helper_entry));
        CHECK(wait_for_start(3, before));
        ask(2, state.first);
        ask(3, state.second);
        sleep_milliseconds(5);
        CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
    }
}

/// The stop comes while the second CPU is on its way up, at a different moment each time.
void restarted_many_times() {
    for (unsigned round = 0; round < 60; ++round) {
        if (!start_and_wait(1, 0xc)) {
            return;
        }
        ask(
            2, [](std::uint64_t entry) { return static_cast<std::uint64_t>(smc(psci_cpu_on, 3, entry)); },
            reinterpret_cast<std::uint64_t>(helper_entry));
        for (unsigned turn = 0; turn < round * round; ++turn) {
            asm volatile("" : : : "memory");
        }
        CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
        const std::uint64_t before = starts(3);
        sleep_milliseconds(1);
        CHECK_EQUAL(starts(3), before);
    }
}

} // namespace

const Test zone_tests[] = {
    {"two zones in the list", two_zones_in_the_list},
    {"address of the device tree", device_tree_address},
    {"memory and devices of a zone", memory_and_devices_of_a_zone},
    {"faults mark the zone", faults_mark_the_zone},
    {"a zone is stopped in every state", stopped_in_every_state},
    {"a zone is restarted 60 times", restarted_many_times},
    {nullptr, nullptr},
};

} // namespace selftest
