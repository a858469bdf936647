// SPDX-License-Identifier: Apache-2.0
#include "panic.hpp"

#include "arch.hpp"
#include "cpu.hpp"
#include "gic.hpp"
#include "psci.hpp"
#include "uart.hpp"

namespace testvisor {
namespace {

bool machine_stops = false;

/// Bounded: a CPU may sit where the request cannot reach it, and the message
/// matters more.
void stop_other_cpus() {
    const Deadline deadline(200);
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        if (cpu == this_cpu()) {
            continue;
        }
        gic::request_stop(cpu);
        while (!is_off(cpu) && !deadline.passed()) {
        }
    }
}

} // namespace

bool panicking() {
    return __atomic_load_n(&machine_stops, __ATOMIC_ACQUIRE);
}

void relax() {
    if (panicking()) {
        park();
    }
    asm volatile("yield" : : : "memory");
}

void panic_with(const Line& reason) {
    if (__atomic_exchange_n(&machine_stops, true, __ATOMIC_ACQ_REL)) {
        park();
    }
    stop_other_cpus();
    uart::print_last(Line("testvisor: panic: ", Text{reason.data(), reason.size()}));
    psci::system_off();
}

} // namespace testvisor
