// SPDX-License-Identifier: Apache-2.0
#include "cpu.hpp"

#include "gic.hpp"
#include "panic.hpp"
#include "psci.hpp"
#include "zone.hpp"

extern "C" [[noreturn]] void enter_guest(std::uint64_t entry, std::uint64_t context);
extern "C" [[noreturn]] void cpu_main(std::uint64_t number);

namespace testvisor {
namespace {

constexpr std::uint64_t hcr_stage2 = 1UL << 0;     // VM
constexpr std::uint64_t hcr_set_way = 1UL << 1;    // SWIO
constexpr std::uint64_t hcr_fiq_to_el2 = 1UL << 3; // FMO
constexpr std::uint64_t hcr_trap_smc = 1UL << 19;  // TSC
constexpr std::uint64_t hcr_aarch64 = 1UL << 31;   // RW
constexpr std::uint64_t vtcr_39_bits_level1 = 0x80023559;

/// FIQs come to EL2 for the root zone as well, because a panic must be able to
/// stop its CPUs; its interrupts proper are in Group 1 and untouched by that.
void set_up_guest_state(const Zone& zone) {
    std::uint64_t hcr = hcr_aarch64 | hcr_trap_smc | hcr_fiq_to_el2;
    if (!zone.is_root()) {
        hcr |= hcr_stage2 | hcr_set_way;
    }
    TESTVISOR_WRITE_REGISTER("hcr_el2", hcr);
    TESTVISOR_WRITE_REGISTER("vtcr_el2", vtcr_39_bits_level1);
    TESTVISOR_WRITE_REGISTER("vttbr_el2", zone.is_root() ? 0 : zone.stage2.table() | zone.vmid() << 48);
    TESTVISOR_WRITE_REGISTER("cptr_el2", 0x33ff);
    TESTVISOR_WRITE_REGISTER("hstr_el2", 0);
    TESTVISOR_WRITE_REGISTER("cnthctl_el2", 3);
    TESTVISOR_WRITE_REGISTER("cntvoff_el2", 0);
    TESTVISOR_WRITE_REGISTER("vpidr_el2", TESTVISOR_READ_REGISTER("midr_el1"));
    TESTVISOR_WRITE_REGISTER("vmpidr_el2", TESTVISOR_READ_REGISTER("mpidr_el1"));
    TESTVISOR_WRITE_REGISTER("mdcr_el2", TESTVISOR_READ_REGISTER("pmcr_el0") >> 11 & 0x1f);
    TESTVISOR_WRITE_REGISTER("sctlr_el1", 0x30d00800);
    TESTVISOR_WRITE_REGISTER("cntp_ctl_el0", 0);
    TESTVISOR_WRITE_REGISTER("cntv_ctl_el0", 0);
    asm volatile("isb; tlbi vmalls12e1is; dsb ish; isb" : : : "memory");
}

} // namespace

Cpu cpus[cpu_count];

std::int64_t power_on(Cpu& cpu, std::uint64_t entry, std::uint64_t context) {
    cpu.entry = entry;
    cpu.context = context;
    __atomic_store_n(&cpu.on, true, __ATOMIC_RELEASE);
    full_barrier();
    // A CPU on its way into CPU_OFF still counts as on.
    const Deadline deadline(1000);
    std::int64_t result = psci::already_on;
    while (result == psci::already_on && !deadline.passed()) {
        result = psci::cpu_on(static_cast<unsigned>(&cpu - cpus));
        relax();
    }
    if (result != psci::success) {
        __atomic_store_n(&cpu.on, false, __ATOMIC_RELEASE);
    }
    return result;
}

bool is_off(unsigned cpu) {
    return !__atomic_load_n(&cpus[cpu].on, __ATOMIC_ACQUIRE) &&
           psci::affinity_info(cpu) == psci::affinity_off;
}

void park() {
    __atomic_store_n(&current_cpu().on, false, __ATOMIC_RELEASE);
    full_barrier();
    psci::cpu_off();
}

} // namespace testvisor

/// Every start of a CPU comes here from boot.S, on its own stack.
void cpu_main(std::uint64_t number) {
    using namespace testvisor;
    Cpu& cpu = cpus[number];
    gic::start_cpu(static_cast<unsigned>(number));
    // After the clearing of pending stop requests: whoever stops the zone sets
    // the flag before it makes the request.
    if (panicking() || __atomic_load_n(&cpu.zone->stopping, __ATOMIC_ACQUIRE)) {
        park();
    }
    set_up_guest_state(*cpu.zone);
    enter_guest(cpu.entry, cpu.context);
}
