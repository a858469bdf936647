// SPDX-License-Identifier: Apache-2.0
#include "base/throttle.hpp"

#include <catch2/catch_test_macros.hpp>

using namespace hvisor;
using namespace std::chrono_literals;

namespace {

constexpr Throttle::Clock::time_point begin_time{1000s};

/// How many units of `size` a bucket gives away until `end` to somebody who always wants more.
std::uint64_t drain(TokenBucket& bucket, Throttle::Clock::time_point begin, Throttle::Clock::time_point end,
                    std::uint32_t size) {
    std::uint64_t taken = 0;
    for (auto now = begin; now < end;) {
        if (bucket.is_ready(now)) {
            bucket.take(size, now);
            taken += size;
        } else {
            now = bucket.next();
        }
    }
    return taken;
}

} // namespace

TEST_CASE("a bucket without a rate limits nothing") {
    TokenBucket bucket;
    CHECK_FALSE(bucket.is_limited());
    for (int i = 0; i < 1000; ++i) {
        bucket.take(UINT32_MAX, begin_time);
    }
    CHECK(bucket.is_ready(begin_time));
}

TEST_CASE("after a pause exactly the burst is given at once") {
    TokenBucket bucket({.rate = 10, .burst = 3});
    for (int i = 0; i < 3; ++i) {
        REQUIRE(bucket.is_ready(begin_time));
        bucket.take(1, begin_time);
    }
    CHECK_FALSE(bucket.is_ready(begin_time));
    CHECK(bucket.next() == begin_time + 100ms);
    CHECK_FALSE(bucket.is_ready(begin_time + 99ms));
    CHECK(bucket.is_ready(begin_time + 100ms));
    // However long the pause, no more than the burst is saved.
    CHECK(drain(bucket, begin_time + 1h, begin_time + 1h + 1ns, 1) == 3);
}

TEST_CASE("the average is the rate, whatever the sizes") {
    for (const std::uint32_t size : {1U, 7U, 1514U, 65536U}) {
        for (const std::uint64_t rate : {3ULL, 1'000'003ULL, 999'999'937ULL, 12'500'000'000ULL}) {
            if (rate / size > 200'000) {
                continue; // only slower to count
            }
            const std::uint64_t seconds = rate / size > 20'000 ? 1 : 10;
            INFO("size " << size << ", rate " << rate);
            TokenBucket bucket({.rate = rate, .burst = 1});
            const auto taken = drain(bucket, begin_time, begin_time + std::chrono::seconds(seconds), size);
            // One more than the time allows is the request that was let in last.
            CHECK(taken >= rate * seconds - rate * seconds / 1'000'000);
            CHECK(taken <= rate * seconds + 2ULL * size + rate / 1'000'000);
        }
    }
}

TEST_CASE("a request larger than the burst passes, and is paid for afterwards") {
    TokenBucket bucket({.rate = 1000, .burst = 10});
    REQUIRE(bucket.is_ready(begin_time));
    bucket.take(2010, begin_time);
    CHECK_FALSE(bucket.is_ready(begin_time + 2s));
    CHECK(bucket.next() == begin_time + 2001ms);
}

TEST_CASE("a burst that is not set is a tenth of a second's") {
    TokenBucket bucket({.rate = 1000, .burst = 0});
    CHECK(drain(bucket, begin_time, begin_time + 1ns, 1) == 100);
    TokenBucket slow({.rate = 1, .burst = 0});
    CHECK(drain(slow, begin_time, begin_time + 1ns, 1) == 1);
}

TEST_CASE("the largest numbers of a configuration do not overflow") {
    for (const std::uint64_t rate : {std::uint64_t{1}, std::uint64_t{UINT32_MAX}, UINT64_MAX}) {
        for (const std::uint64_t burst : {std::uint64_t{1}, UINT64_MAX}) {
            INFO("rate " << rate << ", burst " << burst);
            TokenBucket bucket({.rate = rate, .burst = burst});
            CHECK(bucket.is_ready(begin_time + 24h));
            bucket.take(UINT32_MAX, begin_time + 24h);
            bucket.take(UINT32_MAX, begin_time + 24h);
            CHECK(bucket.next() >= begin_time);
            CHECK(bucket.next() <= begin_time + 24h * 367);
        }
    }
}

TEST_CASE("a throttle waits for whichever limit is the tighter one") {
    Throttle throttle({.bytes = {.rate = 1000, .burst = 1000}, .operations = {.rate = 10, .burst = 1}});
    REQUIRE(throttle.is_limited());
    REQUIRE(throttle.is_ready(begin_time));
    throttle.take(10, begin_time);
    CHECK(throttle.next() == begin_time + 100ms);
    throttle.take(2000, begin_time + 100ms);
    CHECK(throttle.next() > begin_time + 1s);
    CHECK_FALSE(throttle.is_ready(begin_time + 1s));
    CHECK(throttle.is_ready(throttle.next()));

    Throttle bytes_only({.bytes = {.rate = 1000, .burst = 10}, .operations = {}});
    bytes_only.take(110, begin_time);
    CHECK(bytes_only.next() == begin_time + 101ms);
    CHECK_FALSE(Throttle().is_limited());
}
