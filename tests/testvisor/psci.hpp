// SPDX-License-Identifier: Apache-2.0
//
// PSCI in both directions: QEMU's, which parks and starts the machine's CPUs,
// and the one that zones see (by SMC, which is trapped).
#pragma once

#include <cstdint>

namespace testvisor {
struct Frame;
}

namespace testvisor::psci {

inline constexpr std::int64_t affinity_on = 0;
inline constexpr std::int64_t affinity_off = 1;

std::int64_t affinity_info(unsigned cpu);
std::int64_t cpu_on(unsigned cpu);
[[noreturn]] void cpu_off();
[[noreturn]] void system_off();

inline constexpr std::int64_t success = 0;
inline constexpr std::int64_t already_on = -4;

/// A zone's call.
void handle(Frame& frame);

} // namespace testvisor::psci
