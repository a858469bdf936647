// SPDX-License-Identifier: Apache-2.0
#include "nap.hpp"

#include "arch.hpp"
#include "panic.hpp"

namespace testvisor {
namespace {

constexpr std::uint64_t busy_microseconds = 20;
constexpr std::uint64_t shortest_microseconds = 50;
constexpr std::uint64_t longest_microseconds = 500;

std::uint64_t ticks(std::uint64_t microseconds) {
    return microseconds * TESTVISOR_READ_REGISTER("cntfrq_el0") / 1000000;
}

std::uint64_t now() {
    instruction_barrier();
    return TESTVISOR_READ_REGISTER("cntpct_el0");
}

} // namespace

Nap::Nap() : busy_until_(now() + ticks(busy_microseconds)), length_(ticks(shortest_microseconds)) {}

void Nap::take() {
    relax();
    if (now() < busy_until_) {
        return;
    }
    // EL2's own timer, whose interrupt ends WFI and is gone with the timer before anybody takes it.
    TESTVISOR_WRITE_REGISTER("cnthp_tval_el2", length_);
    TESTVISOR_WRITE_REGISTER("cnthp_ctl_el2", 1);
    instruction_barrier();
    asm volatile("wfi" : : : "memory");
    TESTVISOR_WRITE_REGISTER("cnthp_ctl_el2", 0);
    instruction_barrier();
    const auto longest = ticks(longest_microseconds);
    length_ = length_ * 2 < longest ? length_ * 2 : longest;
}

} // namespace testvisor
