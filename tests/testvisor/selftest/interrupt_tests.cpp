// SPDX-License-Identifier: Apache-2.0
//
// The result ring, and the interrupt controller as a zone sees it.
#include "bridge_side.hpp"
#include "machine.hpp"
#include "tests.hpp"

namespace selftest {
namespace {

constexpr std::uint64_t lose_injections = 1;
constexpr std::uint64_t lose_active = 3;
constexpr std::uint64_t read_counter = 0x200;
constexpr std::uint64_t injections = 4;
constexpr std::uint64_t coalesced = 5;
constexpr std::uint64_t lost_injections = 6;
constexpr std::uint64_t lost_active = 7;
constexpr std::uint64_t foreign = 8;

constexpr std::uint64_t distributor = 0x8000000;
constexpr std::uint64_t frame_2 = 0x80a0000 + 2 * 0x20000 + 0x10000;
constexpr std::uint64_t none = 1023;
// SGI 15 and the timer of EL2.
constexpr std::uint32_t own_bits = 1U << 15 | 1U << 26;

std::uint64_t counter(std::uint64_t which) {
    return static_cast<std::uint64_t>(hvc(debug, read_counter + which));
}

std::uint64_t acknowledge(std::uint64_t) {
    const std::uint64_t interrupt = TESTVISOR_READ_REGISTER("s3_0_c12_c12_0");
    testvisor::full_barrier();
    return interrupt;
}

std::uint64_t finish(std::uint64_t interrupt) {
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_1", interrupt);
    testvisor::instruction_barrier();
    return 0;
}

/// As a kernel does it: for all interrupts, whoever has them.
std::uint64_t enable_all(std::uint64_t cpu) {
    for (std::uint64_t word = 1; word < 32; ++word) {
        mmio_write<std::uint32_t>(distributor + 0x80 + word * 4, ~0U);
        mmio_write<std::uint32_t>(distributor + 0x100 + word * 4, ~0U);
    }
    for (std::uint64_t word = 8; word < 255; ++word) {
        mmio_write<std::uint32_t>(distributor + 0x400 + word * 4, 0xa0a0a0a0);
    }
    for (std::uint64_t word = 2; word < 64; ++word) {
        mmio_write<std::uint32_t>(distributor + 0xc00 + word * 4, 0xaaaaaaaa);
    }
    for (std::uint64_t spi = 32; spi < 1020; ++spi) {
        mmio_write<std::uint64_t>(distributor + 0x6000 + spi * 8, cpu);
    }
    mmio_write<std::uint32_t>(distributor, 0);
    TESTVISOR_WRITE_REGISTER("s3_0_c4_c6_0", 0xf0);
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_7", 1);
    testvisor::instruction_barrier();
    return 0;
}

bool start_with_interrupts() {
    reset_bridge();
    if (!start_and_wait(1, 0x4)) {
        return false;
    }
    run_on(2, enable_all, 2);
    return true;
}

std::uint64_t take() {
    const std::uint64_t interrupt = run_on(2, acknowledge);
    if (interrupt != none) {
        run_on(2, finish, interrupt);
    }
    return interrupt;
}

void injection() {
    if (!start_with_interrupts()) {
        return;
    }
    CHECK_EQUAL(take(), none);
    const std::uint64_t injected = counter(injections);
    const std::uint64_t merged = counter(coalesced);
    CHECK_EQUAL(inject(1, 76), 0);
    CHECK_EQUAL(inject(1, 76), 0);
    CHECK_EQUAL(take(), 76);
    CHECK_EQUAL(take(), none);
    publish_interrupt(1, 78);
    publish_interrupt(1, 76);
    CHECK_EQUAL(hvc(virtio_inject), 0);
    CHECK_EQUAL(bridge.result_front, bridge.result_rear);
    CHECK_EQUAL(take(), 76);
    CHECK_EQUAL(take(), 78);
    CHECK_EQUAL(counter(injections) - injected, 4);
    CHECK_EQUAL(counter(coalesced) - merged, 1);
    // Not lost while the guest is in its handler.
    inject(1, 76);
    CHECK_EQUAL(run_on(2, acknowledge), 76);
    inject(1, 76);
    run_on(2, finish, 76);
    CHECK_EQUAL(take(), 76);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void injections_for_nobody() {
    if (!start_with_interrupts()) {
        return;
    }
    const std::uint64_t before = counter(foreign);
    inject(2, 76);
    inject(1, 77);
    inject(1, 5);
    inject(1, 5000);
    CHECK_EQUAL(counter(foreign) - before, 4);
    CHECK_EQUAL(bridge.result_front, bridge.result_rear);
    CHECK_EQUAL(take(), none);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
    inject(1, 76);
    CHECK_EQUAL(counter(foreign) - before, 5);
}

void every_fifth_injection_lost() {
    if (!start_with_interrupts()) {
        return;
    }
    const std::uint64_t before = counter(lost_injections);
    CHECK_EQUAL(hvc(debug, lose_injections, 5), 0);
    unsigned taken = 0;
    for (unsigned i = 0; i < 20; ++i) {
        inject(1, 76);
        taken += take() == 76 ? 1 : 0;
    }
    CHECK_EQUAL(taken, 16);
    CHECK_EQUAL(counter(lost_injections) - before, 4);
    CHECK_EQUAL(hvc(debug, lose_injections, 0), 0);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void injection_into_an_active_handler_lost() {
    if (!start_with_interrupts()) {
        return;
    }
    const std::uint64_t before = counter(lost_active);
    CHECK_EQUAL(hvc(debug, lose_active, 1), 0);
    inject(1, 76);
    CHECK_EQUAL(run_on(2, acknowledge), 76);
    inject(1, 76);
    run_on(2, finish, 76);
    CHECK_EQUAL(take(), none);
    CHECK_EQUAL(counter(lost_active) - before, 1);
    CHECK_EQUAL(hvc(debug, lose_active, 0), 0);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

void writes_reach_only_what_is_the_zones() {
    // Interrupts 64 to 95: priorities, configuration and routing of one that is not the zone's.
    constexpr std::uint64_t foreign_spi = 77;
    mmio_write<std::uint8_t>(distributor + 0x400 + foreign_spi, 0x50);
    mmio_write<std::uint64_t>(distributor + 0x6000 + foreign_spi * 8UL, 1);
    mmio_write<std::uint32_t>(distributor + 0x180 + 8, ~0U);
    if (!start_with_interrupts()) {
        return;
    }
    CHECK_EQUAL(mmio_read<std::uint32_t>(distributor + 0x100 + 8), 0x5000);
    CHECK_EQUAL(mmio_read<std::uint32_t>(distributor + 0x100 + 4), 0);
    CHECK_EQUAL(mmio_read<std::uint8_t>(distributor + 0x400 + foreign_spi), 0x50);
    CHECK_EQUAL(mmio_read<std::uint8_t>(distributor + 0x400 + 76), 0xa0);
    CHECK_EQUAL(mmio_read<std::uint64_t>(distributor + 0x6000 + foreign_spi * 8UL), 1);
    CHECK_EQUAL(mmio_read<std::uint64_t>(distributor + 0x6000 + 76 * 8UL), 2);
    // 76 and 78 are edges now, as the zone reads back.
    CHECK_EQUAL(mmio_read<std::uint32_t>(distributor + 0xc00 + 16) & 0xff000000, 0x22000000);
    CHECK_EQUAL(run_on(
                    2,
                    [](std::uint64_t at) { return static_cast<std::uint64_t>(mmio_read<std::uint32_t>(at)); },
                    distributor + 0xc00 + 16),
                mmio_read<std::uint32_t>(distributor + 0xc00 + 16));
    CHECK_EQUAL(mmio_read<std::uint32_t>(distributor) & 3, 3);
    // No routing out of the zone.
    run_on(
        2,
        [](std::uint64_t at) -> std::uint64_t {
            mmio_write<std::uint64_t>(at, 0);
            return 0;
        },
        distributor + 0x6000 + 76 * 8UL);
    CHECK_EQUAL(mmio_read<std::uint64_t>(distributor + 0x6000 + 76 * 8UL), 2);
    // The interrupts that stop the CPU and end its naps cannot be touched, nor other CPUs' frames.
    run_on(
        2,
        [](std::uint64_t frame) -> std::uint64_t {
            mmio_write<std::uint32_t>(frame + 0x80, ~0U);
            mmio_write<std::uint32_t>(frame + 0x180, ~0U);
            mmio_write<std::uint32_t>(frame + 0x40c, 0xf0f0f0f0);
            mmio_write<std::uint32_t>(frame + 0x418, 0xf0f0f0f0);
            mmio_write<std::uint32_t>(frame + 0x100, 1U << 7);
            mmio_write<std::uint32_t>(frame - 0x20000 + 0x100, 1U << 9);
            return mmio_read<std::uint64_t>(frame - 0x10000 + 8);
        },
        frame_2);
    CHECK_EQUAL(mmio_read<std::uint32_t>(frame_2 + 0x80) & own_bits, 0);
    CHECK_EQUAL(mmio_read<std::uint32_t>(frame_2 + 0x100), own_bits | 1U << 7);
    CHECK_EQUAL(mmio_read<std::uint8_t>(frame_2 + 0x400 + 15), 0);
    CHECK_EQUAL(mmio_read<std::uint8_t>(frame_2 + 0x400 + 26), 0);
    CHECK_EQUAL(mmio_read<std::uint8_t>(frame_2 + 0x400 + 25), 0xf0);
    CHECK_EQUAL(mmio_read<std::uint8_t>(frame_2 + 0x400 + 14), 0xf0);
    CHECK_EQUAL(mmio_read<std::uint32_t>(frame_2 - 0x20000 + 0x100) >> 9 & 1, 0);
    // No ITS: zero, and writes without effect.
    CHECK_EQUAL(run_on(
                    2,
                    [](std::uint64_t at) {
                        mmio_write<std::uint32_t>(at, 1);
                        return mmio_read<std::uint64_t>(at + 8);
                    },
                    0x8080000),
                0);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
    CHECK_EQUAL(mmio_read<std::uint32_t>(distributor + 0x100 + 8), 0);
}

extern "C" char helper_entry[];

std::uint64_t send(std::uint64_t value) {
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c11_5", value);
    testvisor::instruction_barrier();
    return 0;
}

void software_interrupts_stay_in_the_zone() {
    constexpr std::uint64_t frame_0 = 0x80a0000 + 0x10000;
    constexpr std::uint64_t everybody_else = 1UL << 40;
    reset_bridge();
    if (!start_and_wait(1, 0xc)) {
        return;
    }
    const std::uint64_t before = starts(3);
    run_on(
        2, [](std::uint64_t entry) { return static_cast<std::uint64_t>(smc(psci_cpu_on, 3, entry)); },
        reinterpret_cast<std::uint64_t>(helper_entry));
    CHECK(wait_for_start(3, before));
    const Work open = [](std::uint64_t frame) -> std::uint64_t {
        mmio_write<std::uint32_t>(frame + 0x100, 0xffff);
        mmio_write<std::uint32_t>(frame + 0x400, 0);
        enable_all(2);
        return 0;
    };
    run_on(2, open, frame_2);
    run_on(3, open, frame_2 + 0x20000);
    mmio_write<std::uint32_t>(frame_0 + 0x280, 0xffff);
    run_on(2, send, 5UL << 24 | 0xf);
    CHECK_EQUAL(run_on(2, acknowledge), 5);
    run_on(2, finish, 5);
    CHECK_EQUAL(run_on(3, acknowledge), 5);
    run_on(3, finish, 5);
    run_on(2, send, 6UL << 24 | everybody_else);
    CHECK_EQUAL(run_on(2, acknowledge), none);
    CHECK_EQUAL(run_on(3, acknowledge), 6);
    run_on(3, finish, 6);
    run_on(2, send, 15UL << 24 | 0xc);
    CHECK_EQUAL(run_on(3, acknowledge), none);
    CHECK_EQUAL(mmio_read<std::uint32_t>(frame_0 + 0x200) & 0x60, 0);
    // Stopped in the middle of a handler, whatever priority the zone gave it.
    run_on(2, send, 1UL << 24 | 0x8);
    CHECK_EQUAL(run_on(3, acknowledge), 1);
    CHECK_EQUAL(hvc(zone_shutdown, 1), 0);
}

/// The root zone's own, which EL2 passes on as well.
void software_interrupts_of_the_root_zone() {
    constexpr std::uint64_t frame_0 = 0x80a0000 + 0x10000;
    mmio_write<std::uint32_t>(frame_0 + 0x80, ~0U);
    mmio_write<std::uint32_t>(frame_0 + 0x100, 1U << 4);
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_7", 1);
    send(4UL << 24 | 1);
    CHECK_EQUAL(acknowledge(0), 4);
    finish(4);
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_7", 0);
}

} // namespace

const Test interrupt_tests[] = {
    {"injection", injection},
    {"injections for nobody", injections_for_nobody},
    {"every fifth injection lost", every_fifth_injection_lost},
    {"an injection into an active handler lost", injection_into_an_active_handler_lost},
    {"writes reach only what is the zone's", writes_reach_only_what_is_the_zones},
    {"software interrupts stay in the zone", software_interrupts_stay_in_the_zone},
    {"software interrupts of the root zone", software_interrupts_of_the_root_zone},
    {nullptr, nullptr},
};

} // namespace selftest
