// SPDX-License-Identifier: Apache-2.0
//
// Misbehaviour on demand, and what was counted. Options come from the property
// testvisor,options of the root device tree's /chosen node and from the root
// zone by the debug hypercall (README.md has both lists).
#pragma once

#include <cstdint>

namespace testvisor {

enum class Option : unsigned {
    LoseInjections = 1,
    LoseWakeups,
    LoseActive,
    Magic,
    Layout,
    Quiet,
    End,
};

enum class Counter : unsigned {
    Requests = 1,
    Notifications,
    RingFull,
    Injections,
    Coalesced,
    LostInjections,
    LostActive,
    Foreign,
    Wakeups,
    LostWakeups,
    End,
};

enum class Layout : std::uint64_t {
    V5a = 5,
    V6 = 6,
};

[[nodiscard]] std::uint64_t option(Option which);
[[nodiscard]] Layout layout();
[[nodiscard]] std::uint64_t config_magic();

void count(Counter which);

/// True for every Nth call, N being the option's value; never when that is 0.
[[nodiscard]] bool loses(Option which);

/// `words` is the property's text: words separated by blanks, `name` or `name=number`.
void read_command_line(const char* words, std::uint64_t size);

std::int64_t debug_hypercall(std::uint64_t number, std::uint64_t value);

} // namespace testvisor
