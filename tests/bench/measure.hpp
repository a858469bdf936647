// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <vector>

namespace hvisor::bench {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// The clocks at one moment, or what went by between two.
struct Times {
    double wall = 0;
    double others = 0; ///< CPU time of all threads of this process but the caller
    double own = 0;    ///< CPU time of the caller

    [[nodiscard]] static Times now() {
        const auto read = [](clockid_t clock) {
            timespec time{};
            ::clock_gettime(clock, &time);
            return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
        };
        const auto own = read(CLOCK_THREAD_CPUTIME_ID);
        return {.wall = read(CLOCK_MONOTONIC), .others = read(CLOCK_PROCESS_CPUTIME_ID) - own, .own = own};
    }
    [[nodiscard]] Times operator-(const Times& before) const {
        return {.wall = wall - before.wall, .others = others - before.others, .own = own - before.own};
    }
};

/// Many durations, of which percentiles are asked.
class Latencies {
  public:
    void add(Clock::duration duration) {
        values_.push_back(static_cast<std::uint32_t>(
            std::min<std::int64_t>(std::chrono::nanoseconds(duration).count(), UINT32_MAX)));
    }
    void reserve(std::size_t count) { values_.reserve(count); }
    /// In microseconds; `part` from 0 to 1.
    [[nodiscard]] double percentile(double part) {
        if (values_.empty()) {
            return 0;
        }
        const auto index = static_cast<std::ptrdiff_t>(part * static_cast<double>(values_.size() - 1));
        std::ranges::nth_element(values_, values_.begin() + index);
        return 1e-3 * static_cast<double>(values_.at(static_cast<std::size_t>(index)));
    }

  private:
    std::vector<std::uint32_t> values_;
};

/// The same figure of several runs.
class Series {
  public:
    void add(double value) { values_.push_back(value); }
    [[nodiscard]] double median() const {
        auto sorted = values_;
        std::ranges::sort(sorted);
        const auto middle = sorted.size() / 2;
        return sorted.size() % 2 != 0 ? sorted.at(middle) : (sorted.at(middle - 1) + sorted.at(middle)) / 2;
    }

  private:
    std::vector<double> values_;
};

/// What one run of a load did.
struct Outcome {
    std::uint64_t requests = 0;
    Times times; ///< others: the daemon's
    Latencies latencies;

    [[nodiscard]] double rate() const { return static_cast<double>(requests) / times.wall; }
    [[nodiscard]] double cpu_us() const { return 1e6 * times.others / static_cast<double>(requests); }
};

} // namespace hvisor::bench
