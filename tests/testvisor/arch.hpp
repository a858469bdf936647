// SPDX-License-Identifier: Apache-2.0
//
// The few instructions and registers that C++ has no words for.
#pragma once

#include <cstdint>

namespace testvisor {

inline constexpr unsigned cpu_count = 4;

#define TESTVISOR_READ_REGISTER(name)                                                                        \
    ({                                                                                                       \
        std::uint64_t value;                                                                                 \
        asm volatile("mrs %0, " name : "=r"(value));                                                         \
        value;                                                                                               \
    })

#define TESTVISOR_WRITE_REGISTER(name, value)                                                                \
    asm volatile("msr " name ", %x0" : : "rZ"(static_cast<std::uint64_t>(value)) : "memory")

inline void instruction_barrier() {
    asm volatile("isb" : : : "memory");
}

inline void full_barrier() {
    asm volatile("dsb sy" : : : "memory");
}

// Spelled out, as the compiler may choose an addressing mode that updates its
// base, and such an access of a guest cannot be emulated.
template <typename T>
T mmio_read(std::uint64_t address) {
    std::uint64_t value = 0;
    if constexpr (sizeof(T) == 1) {
        asm volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    } else if constexpr (sizeof(T) == 4) {
        asm volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    } else {
        static_assert(sizeof(T) == 8);
        asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    }
    asm volatile("dsb ld" : : : "memory");
    return static_cast<T>(value);
}

template <typename T>
void mmio_write(std::uint64_t address, T value) {
    asm volatile("dsb st" : : : "memory");
    if constexpr (sizeof(T) == 1) {
        asm volatile("strb %w0, [%1]" : : "r"(value), "r"(address) : "memory");
    } else if constexpr (sizeof(T) == 4) {
        asm volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
    } else {
        static_assert(sizeof(T) == 8);
        asm volatile("str %0, [%1]" : : "r"(value), "r"(address) : "memory");
    }
}

/// A call to the firmware, here QEMU's own PSCI.
inline std::int64_t firmware_call(std::uint64_t function, std::uint64_t a = 0, std::uint64_t b = 0,
                                  std::uint64_t c = 0) {
    register std::uint64_t x0 asm("x0") = function;
    register std::uint64_t x1 asm("x1") = a;
    register std::uint64_t x2 asm("x2") = b;
    register std::uint64_t x3 asm("x3") = c;
    asm volatile("smc #0"
                 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                 :
                 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                   "memory");
    return static_cast<std::int64_t>(x0);
}

inline unsigned this_cpu() {
    return static_cast<unsigned>(TESTVISOR_READ_REGISTER("mpidr_el1") & 0xff);
}

/// A moment in the future by the system counter.
class Deadline {
  public:
    explicit Deadline(std::uint64_t milliseconds)
        : end_(now() + milliseconds * TESTVISOR_READ_REGISTER("cntfrq_el0") / 1000) {}

    [[nodiscard]] bool passed() const { return now() >= end_; }

  private:
    static std::uint64_t now() {
        instruction_barrier();
        return TESTVISOR_READ_REGISTER("cntpct_el0");
    }

    std::uint64_t end_;
};

} // namespace testvisor
