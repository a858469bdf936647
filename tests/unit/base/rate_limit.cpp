// SPDX-License-Identifier: Apache-2.0
#include "base/rate_limit.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace hvisor;

TEST_CASE("a guest can cause 10 messages in 5 seconds, then a count of the rest") {
    RateLimit limit({.zone = "linux2", .device = "block-a003c00"});
    const auto begin = RateLimit::Clock::now();
    unsigned admitted = 0;
    for (int i = 0; i < 1000; ++i) {
        admitted += limit.admit(begin + std::chrono::milliseconds(i)) ? 1 : 0;
    }
    CHECK(admitted == 10);

    // The next window begins with the line that counts what was left out.
    const auto later = begin + std::chrono::seconds(6);
    CHECK(limit.admit(later) == 990U);
    admitted = 0;
    for (int i = 0; i < 1000; ++i) {
        admitted += limit.admit(later) ? 1 : 0;
    }
    CHECK(admitted == 8);
}
