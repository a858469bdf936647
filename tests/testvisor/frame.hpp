// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace testvisor {

/// A guest's registers while its CPU is in EL2; vectors.S stores and loads them.
struct Frame {
    std::uint64_t x[31];
    std::uint64_t pc;
    std::uint64_t pstate;
    std::uint64_t unused; // keeps the stack aligned

    /// Register number 31 is the zero register in every instruction that traps here.
    [[nodiscard]] std::uint64_t get(unsigned number) const { return number == 31 ? 0 : x[number]; }
    void set(unsigned number, std::uint64_t value) {
        if (number != 31) {
            x[number] = value;
        }
    }
};

static_assert(sizeof(Frame) == 272);
static_assert(offsetof(Frame, pc) == 248);

} // namespace testvisor
