// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace hvisor::devices::gpu {

/// Counts frames, a second of the steady clock at a time.
class FrameRate {
  public:
    using Clock = std::chrono::steady_clock;

    void add(std::uint64_t frames, Clock::time_point now) {
        const auto second = second_of(now);
        if (second != current_) {
            last_ = second == current_ + 1 ? count_ : 0;
            count_ = 0;
            current_ = second;
        }
        count_ += frames;
    }
    /// In the second that ended last.
    [[nodiscard]] std::uint32_t per_second(Clock::time_point now) const {
        const auto second = second_of(now);
        if (second == current_) {
            return static_cast<std::uint32_t>(last_);
        }
        return second == current_ + 1 ? static_cast<std::uint32_t>(count_) : 0;
    }

  private:
    [[nodiscard]] static std::int64_t second_of(Clock::time_point when) {
        return std::chrono::floor<std::chrono::seconds>(when.time_since_epoch()).count();
    }

    std::int64_t current_ = 0;
    std::uint64_t count_ = 0; ///< in the current one
    std::uint64_t last_ = 0;  ///< in the one before
};

} // namespace hvisor::devices::gpu
