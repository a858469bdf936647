// SPDX-License-Identifier: Apache-2.0
//
// CPUs rest in QEMU's CPU_OFF and are started by its CPU_ON, which enters EL2
// with clean state: no loop to park in is needed.
#pragma once

#include <cstdint>

#include "arch.hpp"

namespace testvisor {

struct Zone;

struct Cpu {
    Zone* zone;          // the owner, null when free
    std::uint64_t entry; // where and with what in x0 the guest starts
    std::uint64_t context;
    std::uint64_t waits_for; // the virtio register whose answer it waits for, else 0
    bool on;                 // set before CPU_ON, cleared just before CPU_OFF
};

extern Cpu cpus[cpu_count];

inline Cpu& current_cpu() {
    return cpus[this_cpu()];
}

/// Start a CPU in its zone. The answer is PSCI's.
std::int64_t power_on(Cpu& cpu, std::uint64_t entry, std::uint64_t context);

/// Whether it is neither running nor on its way to. QEMU alone does not know:
/// for it a CPU that CPU_ON has been called for is off until that takes effect.
[[nodiscard]] bool is_off(unsigned cpu);

/// Off until somebody starts it again.
[[noreturn]] void park();

} // namespace testvisor
