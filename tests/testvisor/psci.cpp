// SPDX-License-Identifier: Apache-2.0
#include "psci.hpp"

#include "arch.hpp"
#include "cpu.hpp"
#include "frame.hpp"
#include "zone.hpp"

extern "C" char secondary_entry[];

namespace testvisor::psci {
namespace {

constexpr std::uint32_t fn_version = 0x84000000;
constexpr std::uint32_t fn_cpu_off = 0x84000002;
constexpr std::uint32_t fn_cpu_on_32 = 0x84000003;
constexpr std::uint32_t fn_cpu_on = 0xc4000003;
constexpr std::uint32_t fn_affinity_info_32 = 0x84000004;
constexpr std::uint32_t fn_affinity_info = 0xc4000004;
constexpr std::uint32_t fn_migrate_info_type = 0x84000006;
constexpr std::uint32_t fn_system_off = 0x84000008;
constexpr std::uint32_t fn_features = 0x8400000a;

constexpr std::int64_t not_supported = -1;
constexpr std::int64_t invalid_parameters = -2;
constexpr std::int64_t denied = -3;

/// The zone's CPU that an affinity value names, if it is one.
Cpu* own_cpu(std::uint64_t affinity) {
    if (affinity >= cpu_count) {
        return nullptr;
    }
    Cpu& cpu = cpus[affinity];
    return cpu.zone == current_cpu().zone ? &cpu : nullptr;
}

std::int64_t zone_cpu_on(std::uint64_t affinity, std::uint64_t entry, std::uint64_t context) {
    Cpu* cpu = own_cpu(affinity);
    if (cpu == nullptr) {
        return invalid_parameters;
    }
    Zone& zone = *current_cpu().zone;
    const Guard guard(zone.power_lock);
    if (zone.stopping) {
        return denied;
    }
    if (__atomic_load_n(&cpu->on, __ATOMIC_ACQUIRE)) {
        return already_on;
    }
    return power_on(*cpu, entry, context);
}

std::int64_t zone_affinity_info(std::uint64_t affinity) {
    if (own_cpu(affinity) == nullptr) {
        return invalid_parameters;
    }
    return is_off(static_cast<unsigned>(affinity)) ? affinity_off : affinity_on;
}

} // namespace

std::int64_t affinity_info(unsigned cpu) {
    return firmware_call(fn_affinity_info, cpu, 0);
}

std::int64_t cpu_on(unsigned cpu) {
    return firmware_call(fn_cpu_on, cpu, reinterpret_cast<std::uint64_t>(secondary_entry), cpu);
}

void cpu_off() {
    for (;;) {
        firmware_call(fn_cpu_off);
    }
}

void system_off() {
    for (;;) {
        firmware_call(fn_system_off);
    }
}

void handle(Frame& frame) {
    const auto function = static_cast<std::uint32_t>(frame.x[0]);
    std::int64_t result = not_supported;
    switch (function) {
    case fn_version:
    case fn_migrate_info_type:
    case fn_features:
        result = firmware_call(function, frame.x[1]);
        break;
    case fn_cpu_on_32:
    case fn_cpu_on:
        result = zone_cpu_on(frame.x[1], frame.x[2], frame.x[3]);
        break;
    case fn_cpu_off:
        park();
    case fn_affinity_info_32:
    case fn_affinity_info:
        result = zone_affinity_info(frame.x[1]);
        break;
    case fn_system_off:
        zone_powers_off();
    default:
        break;
    }
    frame.x[0] = static_cast<std::uint64_t>(result);
}

} // namespace testvisor::psci
