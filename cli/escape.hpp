// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <span>

namespace hvisor::cli {

/// Finds ^] pressed three times within a second, and nothing else between.
class EscapeDetector {
  public:
    static constexpr char escape = 0x1d;
    static constexpr int presses = 3;
    static constexpr std::chrono::seconds window{1};

    using Clock = std::chrono::steady_clock;

    /// Whether `input`, which arrived at `now`, completes the escape.
    [[nodiscard]] bool feed(std::span<const char> input, Clock::time_point now) {
        return std::ranges::any_of(input, [&](char c) { return press(c, now); });
    }

  private:
    bool press(char c, Clock::time_point now) {
        if (c != escape) {
            count_ = 0;
            return false;
        }
        if (count_ == 0 || now - first_ > window) {
            count_ = 0;
            first_ = now;
        }
        return ++count_ == presses;
    }

    int count_ = 0;
    Clock::time_point first_;
};

} // namespace hvisor::cli
