// SPDX-License-Identifier: Apache-2.0
//
// What ends the machine, each in a run of its own.
#include "bridge_side.hpp"
#include "machine.hpp"
#include "tests.hpp"

namespace selftest {
namespace {

constexpr std::uint64_t panic_now = 0x300;

std::uint64_t touch(std::uint64_t at) {
    return mmio_read<std::uint32_t>(at);
}

void start_changed(void (*change)(testvisor::ConfigV6& config)) {
    testvisor::ConfigV6& config = configuration(1, 0x4);
    change(config);
    start(config);
}

void access_before_init() {
    start_and_wait(1, 0x4);
    ask(2, touch, window);
    sleep_milliseconds(patience_milliseconds);
}

void no_answer_at_shutdown() {
    reset_bridge();
    start_and_wait(1, 0x4);
    ask(2, touch, window);
    ring_holds(1);
    hvc(zone_shutdown, 1);
}

void eight_interrupts() {
    reset_bridge();
    testvisor::ConfigV6& config = configuration(1, 0x4);
    config.prefix.interrupts[3] = 0xff;
    start(config);
    for (std::uint32_t i = 0; i < 7; ++i) {
        inject(1, 96 + i);
    }
    inject(1, 96);
    print(Line("selftest: seven are fine"));
    inject(1, 103);
}

/// The message must come out whole although the root zone's other CPU writes
/// to the same UART, and like Linux has no use for the interrupt that stops it.
void while_the_root_zone_prints() {
    start_second_cpu();
    ask(1, [](std::uint64_t) -> std::uint64_t {
        constexpr std::uint64_t frame_1 = 0x80a0000 + 0x20000 + 0x10000;
        mmio_write<std::uint32_t>(frame_1 + 0x80, ~0U);
        mmio_write<std::uint32_t>(frame_1 + 0x180, ~0U);
        for (;;) {
            print(Line("selftest: busy"));
        }
    });
    sleep_milliseconds(20);
    hvc(debug, panic_now);
}

void bad_result_index() {
    reset_bridge();
    bridge.result_rear = 32;
    hvc(virtio_inject);
}

void bad_request_index() {
    reset_bridge();
    start_and_wait(1, 0x4);
    bridge.request_front = 99;
    ask(2, touch, window);
    sleep_milliseconds(patience_milliseconds);
}

} // namespace

const Test panic_tests[] = {
    {"asked for", [] { hvc(debug, panic_now); }},
    {"while the root zone prints", while_the_root_zone_prints},
    {"misaligned bridge page", [] { hvc(virtio_init, 0x50000010); }},
    {"bridge page that is not mapped", [] { hvc(virtio_init, 0x1000); }},
    {"configuration that is not mapped", [] { hvc(zone_start, 0xbffffff0, sizeof(testvisor::ConfigV6)); }},
    {"injection before init", [] { hvc(virtio_inject); }},
    {"access before init", access_before_init},
    {"no answer at shutdown", no_answer_at_shutdown},
    {"eight interrupts", eight_interrupts},
    {"bad result index", bad_result_index},
    {"bad request index", bad_request_index},
    {"65 regions", [] { start_changed([](auto& c) { c.prefix.region_count = 65; }); }},
    {"3 IVC channels", [] { start_changed([](auto& c) { c.prefix.ivc_count = 3; }); }},
    {"5 PCI buses", [] { start_changed([](auto& c) { c.pci.bus_count = 5; }); }},
    {"33 PCI devices", [] { start_changed([](auto& c) { c.pci.device_count = 33; }); }},
    {"no CPU", [] { start_changed([](auto& c) { c.prefix.cpus = 0; }); }},
    {"a CPU that the board does not have", [] { start_changed([](auto& c) { c.prefix.cpus = 0x14; }); }},
    {"unknown type of region", [] { start_changed([](auto& c) { c.prefix.regions[1].type = 5; }); }},
    {"overlapping regions",
     [] {
         start_changed([](auto& c) {
             c.prefix.regions[1] = {testvisor::region_io, 0, 0x9000000, c.prefix.regions[0].guest + 0x5000,
                                    0x1000};
         });
     }},
    {"half a page", [] { start_changed([](auto& c) { c.prefix.regions[0].size += 0x800; }); }},
    {"a region out of reach", [] { start_changed([](auto& c) { c.prefix.regions[0].guest = 1UL << 39; }); }},
    {"GICv2", [] { start_changed([](auto& c) { c.prefix.gic_tag = 0; }); }},
    {"UEFI", [] { start_changed([](auto& c) { c.uefi_tag = 0; }); }},
    {nullptr, nullptr},
};

} // namespace selftest
