// SPDX-License-Identifier: Apache-2.0
#include "gic.hpp"

#include "arch.hpp"
#include "lock.hpp"

namespace testvisor::gic {
namespace {

constexpr std::uint32_t all = ~0U;
constexpr std::uint32_t control_groups_and_affinity = 0x13;
constexpr std::uint32_t waker_sleep = 1U << 1;
constexpr std::uint32_t waker_children_asleep = 1U << 2;
constexpr std::uint32_t stop_bit = 1U << stop_sgi;

SpinLock shared_lock;

constexpr std::uint64_t word_of(unsigned interrupt) {
    return distributor + interrupt / 32 * 4UL;
}

constexpr std::uint32_t bit_of(unsigned interrupt) {
    return 1U << interrupt % 32;
}

constexpr std::uint64_t frame_of(unsigned cpu) {
    return redistributors + cpu * redistributor_size;
}

/// Also for a CPU whose kernel has put our interrupts into Group 1 and disabled them, as
/// the root zone's does with what it does not use.
void open_for_own(unsigned cpu) {
    const std::uint64_t sgi = frame_of(cpu) + sgi_frame;
    mmio_write<std::uint32_t>(sgi + group, all & ~own_bits);
    mmio_write<std::uint8_t>(sgi + priority + stop_sgi, 0);
    mmio_write<std::uint8_t>(sgi + priority + timer_ppi, 0);
    mmio_write<std::uint32_t>(sgi + set_enable, own_bits);
}

} // namespace

void start_distributor() {
    mmio_write<std::uint32_t>(distributor + control, control_groups_and_affinity);
}

void start_cpu(unsigned cpu) {
    const std::uint64_t frame = frame_of(cpu);
    mmio_write<std::uint32_t>(frame + waker, mmio_read<std::uint32_t>(frame + waker) & ~waker_sleep);
    while ((mmio_read<std::uint32_t>(frame + waker) & waker_children_asleep) != 0) {
        relax();
    }
    const std::uint64_t sgi = frame + sgi_frame;
    mmio_write<std::uint32_t>(sgi + clear_enable, all);
    mmio_write<std::uint32_t>(sgi + clear_pending, all);
    mmio_write<std::uint32_t>(sgi + clear_active, all);
    for (unsigned interrupt = 0; interrupt < first_spi; ++interrupt) {
        mmio_write<std::uint8_t>(sgi + priority + interrupt, default_priority);
    }
    TESTVISOR_WRITE_REGISTER("s3_4_c12_c9_5", 0xf); // ICC_SRE_EL2: registers, for EL1 as well
    instruction_barrier();
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_5", 7); // ICC_SRE_EL1
    instruction_barrier();
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c8_4", 0);   // ICC_AP0R0_EL1
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c9_0", 0);   // ICC_AP1R0_EL1
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_4", 0);  // ICC_CTLR_EL1: one EOI drops and deactivates
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c8_3", 0);   // ICC_BPR0_EL1
    TESTVISOR_WRITE_REGISTER("s3_0_c4_c6_0", 0xff); // ICC_PMR_EL1
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_7", 0);  // ICC_IGRPEN1_EL1
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c12_6", 1);  // ICC_IGRPEN0_EL1
    TESTVISOR_WRITE_REGISTER("s3_4_c12_c11_0", 0);  // ICH_HCR_EL2
    TESTVISOR_WRITE_REGISTER("cnthp_ctl_el2", 0);
    instruction_barrier();
    open_for_own(cpu);
    full_barrier();
}

void request_stop(unsigned cpu) {
    full_barrier();
    open_for_own(cpu);
    mmio_write<std::uint32_t>(frame_of(cpu) + sgi_frame + set_pending, stop_bit);
    full_barrier();
}

bool take_stop_request() {
    const auto interrupt = static_cast<unsigned>(TESTVISOR_READ_REGISTER("s3_0_c12_c8_0") & 0xffffff);
    if (interrupt >= spi_end) {
        return false;
    }
    TESTVISOR_WRITE_REGISTER("s3_0_c12_c8_1", interrupt);
    instruction_barrier();
    return interrupt == stop_sgi;
}

bool is_pending(unsigned spi) {
    return (pending_word(spi / 32) & bit_of(spi)) != 0;
}

std::uint32_t pending_word(unsigned word) {
    return mmio_read<std::uint32_t>(distributor + set_pending + word * 4UL);
}

bool is_active(unsigned spi) {
    return (mmio_read<std::uint32_t>(word_of(spi) + set_active) & bit_of(spi)) != 0;
}

void make_pending(unsigned spi) {
    mmio_write<std::uint32_t>(word_of(spi) + set_pending, bit_of(spi));
    full_barrier();
}

void reset_spi(unsigned spi, unsigned cpu) {
    mmio_write<std::uint32_t>(word_of(spi) + clear_enable, bit_of(spi));
    mmio_write<std::uint32_t>(word_of(spi) + clear_pending, bit_of(spi));
    mmio_write<std::uint32_t>(word_of(spi) + clear_active, bit_of(spi));
    mmio_write<std::uint8_t>(distributor + priority + spi, default_priority);
    mmio_write<std::uint64_t>(distributor + router + spi * 8UL, cpu);
    update_shared(group + spi / 32 * 4UL, bit_of(spi), all);
}

void update_shared(std::uint64_t offset, std::uint32_t mask, std::uint32_t value) {
    const Guard guard(shared_lock);
    const auto old = mmio_read<std::uint32_t>(distributor + offset);
    mmio_write<std::uint32_t>(distributor + offset, (old & ~mask) | (value & mask));
}

} // namespace testvisor::gic
