// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

namespace hvisor::bench {

void net_case(Bench& bench) {
    const auto skip = [&bench](const char* name, const char* upstream, const char* goal) {
        bench.rows.push_back({.name = name,
                              .unit = "",
                              .upstream = upstream,
                              .goal = goal,
                              .note = "skipped: hvisord has no net device yet"});
    };
    skip("1,500-byte frames sent to a tap, depth 64", "710,000 /s, 1.4 µs CPU", "≥ 900,000 /s");
    skip("64 KiB segments sent to a tap, depth 64", "", "≥ 30 Gbit/s");
    skip("1,500-byte frames received from a tap", "", "≥ 500,000 /s, none lost");
}

} // namespace hvisor::bench
