// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace hvisor {

/// Limits a rate: on average `rate` units a second, after a pause `burst`
/// units at once. Plain data; one thread's.
///
/// Whoever is allowed to go on takes what it needs, also more than is there:
/// the next permission is then later by as much. So a request larger than the
/// burst is not stuck for ever, its size need not be known before it is done,
/// and the average is exact.
class TokenBucket {
  public:
    using Clock = std::chrono::steady_clock;

    struct Settings {
        std::uint64_t rate = 0;  ///< units a second, at most 10^12; 0 is no limit
        std::uint64_t burst = 0; ///< units; 0 is a tenth of a second's
        bool operator==(const Settings&) const = default;
    };

    /// No limit.
    TokenBucket() = default;
    explicit TokenBucket(Settings settings);

    [[nodiscard]] bool is_limited() const { return rate_ != 0; }
    /// At least one unit is there.
    [[nodiscard]] bool is_ready(Clock::time_point now) const { return !is_limited() || now >= next(); }
    /// When the next unit is there; with a limit only.
    [[nodiscard]] Clock::time_point next() const { return full_ - burst_time_ + unit_time_; }
    void take(std::uint32_t units, Clock::time_point now);

  private:
    std::uint64_t rate_ = 0;
    Clock::duration burst_time_{};
    Clock::duration unit_time_{};
    Clock::time_point full_;    ///< when all that was taken is there again
    std::uint64_t remainder_{}; ///< of the division in take(), so that nothing is lost to rounding
};

/// The limits of one direction of a device: bytes, and requests or frames.
class Throttle {
  public:
    using Clock = TokenBucket::Clock;

    struct Settings {
        TokenBucket::Settings bytes;
        TokenBucket::Settings operations;
        bool operator==(const Settings&) const = default;
    };

    Throttle() = default;
    explicit Throttle(const Settings& settings) : bytes_(settings.bytes), operations_(settings.operations) {}

    /// Without a limit nobody needs to know the time.
    [[nodiscard]] bool is_limited() const { return bytes_.is_limited() || operations_.is_limited(); }
    [[nodiscard]] bool is_ready(Clock::time_point now) const {
        return bytes_.is_ready(now) && operations_.is_ready(now);
    }
    /// The moment from which is_ready(); with a limit only.
    [[nodiscard]] Clock::time_point next() const;
    /// One operation of so many bytes.
    void take(std::uint32_t bytes, Clock::time_point now) {
        bytes_.take(bytes, now);
        operations_.take(1, now);
    }

  private:
    TokenBucket bytes_;
    TokenBucket operations_;
};

} // namespace hvisor
