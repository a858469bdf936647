// SPDX-License-Identifier: Apache-2.0
//
// What the tests use of the machine: calls, helpers on other CPUs, zones.
#pragma once

#include <cstdint>

#include "../arch.hpp"
#include "../config.hpp"
#include "../line.hpp"

namespace selftest {

using testvisor::Deadline;
using testvisor::Hex;
using testvisor::Line;
using testvisor::mmio_read;
using testvisor::mmio_write;

std::int64_t hvc(std::uint64_t code, std::uint64_t a = 0, std::uint64_t b = 0);
std::int64_t smc(std::uint64_t function, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0);

inline constexpr std::uint64_t virtio_init = 0;
inline constexpr std::uint64_t virtio_inject = 1;
inline constexpr std::uint64_t zone_start = 2;
inline constexpr std::uint64_t zone_shutdown = 3;
inline constexpr std::uint64_t zone_list = 4;
inline constexpr std::uint64_t ivc_info = 5;
inline constexpr std::uint64_t config_check = 6;
inline constexpr std::uint64_t debug = 0x7465;

inline constexpr std::uint64_t psci_version = 0x84000000;
inline constexpr std::uint64_t psci_cpu_off = 0x84000002;
inline constexpr std::uint64_t psci_cpu_on = 0xc4000003;
inline constexpr std::uint64_t psci_affinity_info = 0xc4000004;
inline constexpr std::uint64_t psci_system_off = 0x84000008;
inline constexpr std::uint64_t psci_system_reset = 0x84000009;

void print(const Line& line);

/// Note what went wrong in the test that runs and go on with it.
void fail(const char* file, int line, const Line& what);

/// Run on another CPU, which must be up.
using Work = std::uint64_t (*)(std::uint64_t argument);
void ask(unsigned cpu, Work work, std::uint64_t argument = 0);
[[nodiscard]] bool finished(unsigned cpu);
std::uint64_t wait_for(unsigned cpu);
std::uint64_t run_on(unsigned cpu, Work work, std::uint64_t argument = 0);

/// How often the CPU was started, and what was in x0 the last time.
[[nodiscard]] std::uint64_t starts(unsigned cpu);
[[nodiscard]] std::uint64_t start_argument(unsigned cpu);
bool wait_for_start(unsigned cpu, std::uint64_t more_than);

/// The root zone's second CPU; once up it stays up.
bool start_second_cpu();

void sleep_milliseconds(std::uint64_t milliseconds);

inline constexpr std::uint64_t patience_milliseconds = 10000;

template <typename Done>
bool wait_until(Done done) {
    const Deadline deadline(patience_milliseconds);
    while (!done()) {
        if (deadline.passed()) {
            return false;
        }
    }
    return true;
}

template <typename T>
T load(const T& field) {
    return __atomic_load_n(&field, __ATOMIC_ACQUIRE);
}
template <typename T, typename V>
void store(T& field, V value) {
    __atomic_store_n(&field, static_cast<T>(value), __ATOMIC_RELEASE);
}

inline constexpr std::uint64_t window = 0xa003800;
inline constexpr std::uint64_t other_window = 0xa003c00;

/// A configuration for zone `id` on `cpus` with this program's memory, two
/// virtio windows and interrupts 76 and 78. The same buffer every time.
testvisor::ConfigV6& configuration(std::uint32_t id, std::uint64_t cpus);
std::int64_t start(const testvisor::ConfigV6& config);

/// Start it and wait until its first CPU is up.
bool start_and_wait(std::uint32_t id, std::uint64_t cpus);

} // namespace selftest

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            selftest::fail(__FILE_NAME__, __LINE__, selftest::Line(#condition));                             \
        }                                                                                                    \
    } while (false)

#define CHECK_EQUAL(is, expected)                                                                            \
    do {                                                                                                     \
        const auto is_ = static_cast<std::uint64_t>(is);                                                     \
        const auto expected_ = static_cast<std::uint64_t>(expected);                                         \
        if (is_ != expected_) {                                                                              \
            selftest::fail(                                                                                  \
                __FILE_NAME__, __LINE__,                                                                     \
                selftest::Line(#is " is ", selftest::Hex{is_}, ", not ", selftest::Hex{expected_}));         \
        }                                                                                                    \
    } while (false)
