// SPDX-License-Identifier: Apache-2.0
#include "base/checked.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>

using namespace hvisor;

TEST_CASE("checked arithmetic gives nothing when the result does not fit") {
    CHECK(checked_add<std::uint64_t>(1, 2) == 3U);
    CHECK(checked_add<std::uint64_t>(UINT64_MAX, 1) == std::nullopt);
    CHECK(checked_mul<std::uint64_t>(3, 4) == 12U);
    CHECK(checked_mul<std::uint64_t>(std::uint64_t{1} << 55, 512) == std::nullopt);
    CHECK(checked_mul<std::uint32_t>(0, UINT32_MAX) == 0U);
}

TEST_CASE("a range is inside another only with all of its bytes") {
    CHECK(range_inside(10, 5, 10, 5));
    CHECK(range_inside(12, 0, 10, 5));
    CHECK_FALSE(range_inside(9, 2, 10, 5));
    CHECK_FALSE(range_inside(14, 2, 10, 5));
    CHECK_FALSE(range_inside(16, 0, 10, 5));
    CHECK_FALSE(range_inside(UINT64_MAX, 2, 10, 5));
    CHECK_FALSE(range_inside(12, UINT64_MAX, 10, 5));
    CHECK(range_inside(UINT64_MAX, 1, UINT64_MAX - 1, 2));
}

TEST_CASE("ranges overlap when they share a byte") {
    CHECK(ranges_overlap(0, 10, 9, 1));
    CHECK(ranges_overlap(9, 1, 0, 10));
    CHECK_FALSE(ranges_overlap(0, 10, 10, 1));
    CHECK_FALSE(ranges_overlap(10, 1, 0, 10));
    CHECK_FALSE(ranges_overlap(5, 0, 0, 10));
    CHECK(ranges_overlap(UINT64_MAX, 1, 0, UINT64_MAX) == false);
}
