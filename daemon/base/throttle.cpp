// SPDX-License-Identifier: Apache-2.0
#include "base/throttle.hpp"

#include <algorithm>

namespace hvisor {
namespace {

constexpr std::uint64_t nanoseconds = 1'000'000'000;
/// What no machine reaches; keeps the products below inside 64 bits.
constexpr std::uint64_t highest_rate = 1'000'000'000'000;
/// A burst of an hour is none any more.
constexpr std::uint64_t longest_burst = 3600;
/// And a debt of a year is for ever: the clock does not overflow.
constexpr std::chrono::hours longest_debt{24 * 365};

constexpr std::chrono::nanoseconds to_duration(std::uint64_t count) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(count));
}

} // namespace

TokenBucket::TokenBucket(Settings settings) : rate_(std::min(settings.rate, highest_rate)) {
    if (rate_ == 0) {
        return;
    }
    const auto burst = std::clamp(settings.burst != 0 ? settings.burst : rate_ / 10, std::uint64_t{1},
                                  rate_ * longest_burst);
    // Seconds and the rest apart, so that no product overflows: the rest is below 10^12.
    burst_time_ = std::chrono::seconds(static_cast<std::int64_t>(burst / rate_)) +
                  to_duration((burst % rate_ * 1'000'000 / rate_) * 1'000);
    unit_time_ = to_duration((nanoseconds + rate_ - 1) / rate_);
    burst_time_ = std::max(burst_time_, unit_time_);
}

void TokenBucket::take(std::uint32_t units, Clock::time_point now) {
    if (rate_ == 0) {
        return;
    }
    const auto scaled = units * nanoseconds + remainder_; // below 2^62 + 10^12
    remainder_ = scaled % rate_;
    full_ = std::min(std::max(full_, now) + to_duration(scaled / rate_), now + longest_debt);
}

Throttle::Clock::time_point Throttle::next() const {
    Clock::time_point next;
    if (bytes_.is_limited()) {
        next = bytes_.next();
    }
    if (operations_.is_limited()) {
        next = std::max(next, operations_.next());
    }
    return next;
}

} // namespace hvisor
