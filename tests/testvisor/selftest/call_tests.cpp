// SPDX-License-Identifier: Apache-2.0
//
// Hypercalls and PSCI, without other zones where that is possible.
#include <initializer_list>

#include "machine.hpp"
#include "tests.hpp"
#include "zone_info.hpp"

namespace selftest {
namespace {

constexpr std::uint64_t option_magic = 4;
constexpr std::uint64_t option_layout = 5;
constexpr std::uint64_t read_option = 0x100;
constexpr std::uint64_t page_sentinel = 0x1234567812345678;

std::uint64_t magic() {
    std::uint64_t value = page_sentinel;
    CHECK_EQUAL(hvc(config_check, reinterpret_cast<std::uint64_t>(&value)), 0);
    return load(value);
}

void config_check_and_magic() {
    CHECK_EQUAL(magic(), 6);
    CHECK_EQUAL(hvc(debug, option_magic, 0x77), 0);
    CHECK_EQUAL(magic(), 0x77);
    CHECK_EQUAL(hvc(debug, read_option + option_magic), 0x77);
    CHECK_EQUAL(hvc(debug, option_magic, 0), 0);
    CHECK_EQUAL(hvc(debug, option_layout, 5), 0);
    CHECK_EQUAL(magic(), 5);
    CHECK_EQUAL(start(configuration(1, 0x4)), -22);
    CHECK_EQUAL(hvc(debug, option_layout, 6), 0);
    CHECK_EQUAL(magic(), 6);
}

void debug_call() {
    CHECK_EQUAL(hvc(debug, 0), 0x74657374);
    CHECK_EQUAL(hvc(debug, 99), -22);
    CHECK_EQUAL(hvc(debug, option_layout, 4), -22);
    CHECK_EQUAL(hvc(debug, read_option + 99), -22);
}

void unknown_codes_do_nothing() {
    for (const std::uint64_t code : {7UL, 8UL, 9UL, 11UL, 20UL, 86UL, 4711UL, ~0UL}) {
        std::uint64_t word = page_sentinel;
        CHECK_EQUAL(hvc(code, reinterpret_cast<std::uint64_t>(&word)), 0);
        CHECK_EQUAL(load(word), page_sentinel);
    }
    CHECK_EQUAL(hvc(ivc_info, 0xa0200000), -19);
}

void list_of_the_root_zone() {
    ZoneInfo zones[2] = {};
    CHECK_EQUAL(hvc(zone_list, 0, 2), -22);
    CHECK_EQUAL(hvc(zone_list, reinterpret_cast<std::uint64_t>(zones), 0), 0);
    CHECK_EQUAL(list(zones, 2), 1);
    CHECK_EQUAL(zones[0].id, 0);
    CHECK_EQUAL(zones[0].cpus, 3);
    CHECK(named(zones[0], "root-linux"));
    CHECK_EQUAL(zones[0].is_error, 0);
}

void errors_of_start() {
    testvisor::ConfigV6& config = configuration(1, 0x4);
    const auto address = reinterpret_cast<std::uint64_t>(&config);
    CHECK_EQUAL(hvc(zone_start, address, sizeof(config) - 8), -22);
    CHECK_EQUAL(hvc(zone_start, address, 3136), -22);
    CHECK_EQUAL(hvc(zone_start, address, 0), -22);
    CHECK_EQUAL(start(configuration(0, 0x4)), -22);
    CHECK_EQUAL(start(configuration(1, 0x1)), -16);
    CHECK_EQUAL(start(configuration(1, 0x6)), -16);
    ZoneInfo zones[2] = {};
    CHECK_EQUAL(list(zones, 2), 1);
}

void errors_of_shutdown() {
    CHECK_EQUAL(hvc(zone_shutdown, 0), -22);
    CHECK_EQUAL(hvc(zone_shutdown, 1), -22);
    CHECK_EQUAL(hvc(zone_shutdown, 1UL << 32), -22);
}

void layout_v5a_starts_too() {
    // Where v6 has its UEFI tag, v5a has the number of PCI buses.
    testvisor::ConfigV6& config = configuration(1, 0x4);
    config.uefi_tag = 0;
    CHECK_EQUAL(hvc(debug, option_layout, 5), 0);
    const std::uint64_t before = starts(2);
    CHECK_EQUAL(hvc(zone_start, reinterpret_cast<std::uint64_t>(&config), sizeof(testvisor::ConfigV5a)), 0);
    CHECK(wait_for_start(2, before));
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
    CHECK_EQUAL(hvc(debug, option_layout, 6), 0);
}

void calls_of_other_zones() {
    if (!start_and_wait(1, 0x4)) {
        return;
    }
    for (const std::uint64_t code : {virtio_init, virtio_inject, zone_start, zone_shutdown, debug}) {
        CHECK_EQUAL(run_on(2, [](std::uint64_t c) { return static_cast<std::uint64_t>(hvc(c)); }, code), -1);
    }
    static ZoneInfo zones[3];
    CHECK_EQUAL(run_on(2, [](std::uint64_t) { return static_cast<std::uint64_t>(list(zones, 3)); }), 2);
    CHECK_EQUAL(zones[1].id, 1);
    CHECK_EQUAL(run_on(2, [](std::uint64_t) { return static_cast<std::uint64_t>(hvc(ivc_info)); }), -19);
    CHECK_EQUAL(run_on(2, [](std::uint64_t) { return static_cast<std::uint64_t>(hvc(4711)); }), 0);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

std::uint64_t call(std::uint64_t function, std::uint64_t a = 0, std::uint64_t b = 0) {
    return static_cast<std::uint64_t>(smc(function, a, b, 0x5150));
}

extern "C" char helper_entry[];

std::uint64_t start_helper(std::uint64_t cpu) {
    return call(psci_cpu_on, cpu, reinterpret_cast<std::uint64_t>(helper_entry));
}

std::uint64_t affinity(std::uint64_t cpu) {
    return call(psci_affinity_info, cpu);
}

void power_state_calls() {
    if (!start_and_wait(1, 0xc)) {
        return;
    }
    CHECK_EQUAL(call(psci_version), 0x10001);
    CHECK_EQUAL(run_on(2, [](std::uint64_t) { return call(psci_version); }), 0x10001);
    CHECK_EQUAL(run_on(2, [](std::uint64_t) { return call(psci_system_reset); }), -1);
    CHECK_EQUAL(run_on(2, [](std::uint64_t) { return call(0x80000000); }), -1);
    CHECK_EQUAL(run_on(2, affinity, 2), 0);
    CHECK_EQUAL(run_on(2, affinity, 3), 1);
    CHECK_EQUAL(run_on(2, affinity, 0), -2);
    CHECK_EQUAL(run_on(2, start_helper, 0), -2);
    CHECK_EQUAL(run_on(2, start_helper, 0x103), -2);
    CHECK_EQUAL(run_on(2, start_helper, 2), -4);
    CHECK_EQUAL(start_helper(2), -2);
    for (unsigned round = 0; round < 5; ++round) {
        const std::uint64_t before = starts(3);
        CHECK_EQUAL(run_on(2, start_helper, 3), 0);
        CHECK(wait_for_start(3, before));
        CHECK_EQUAL(start_argument(3), 0x5150);
        CHECK_EQUAL(run_on(2, start_helper, 3), -4);
        ask(3, [](std::uint64_t) { return call(psci_cpu_off); });
        CHECK(wait_until([] { return run_on(2, affinity, 3) == 1; }));
    }
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void system_off_removes_the_zone() {
    for (unsigned round = 0; round < 5; ++round) {
        if (!start_and_wait(1, 0xc)) {
            return;
        }
        const std::uint64_t before = starts(3);
        CHECK_EQUAL(run_on(2, start_helper, 3), 0);
        CHECK(wait_for_start(3, before));
        // From the second CPU, while the first is busy.
        ask(2, [](std::uint64_t) -> std::uint64_t {
            for (;;) {
            }
        });
        ask(3, [](std::uint64_t) { return call(psci_system_off); });
        ZoneInfo zones[2];
        CHECK(wait_until([&zones] { return list(zones, 2) == 1; }));
        CHECK_EQUAL(hvc(zone_shutdown, 1), -22);
    }
}

} // namespace

const Test call_tests[] = {
    {"configuration check, magic and layout", config_check_and_magic},
    {"debug hypercall", debug_call},
    {"unknown hypercalls", unknown_codes_do_nothing},
    {"zone list", list_of_the_root_zone},
    {"errors of zone start", errors_of_start},
    {"errors of zone shutdown", errors_of_shutdown},
    {"layout v5a", layout_v5a_starts_too},
    {"hypercalls of other zones", calls_of_other_zones},
    {"PSCI of a zone", power_state_calls},
    {"a zone switches itself off", system_off_removes_the_zone},
    {nullptr, nullptr},
};

} // namespace selftest
