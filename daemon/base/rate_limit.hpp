// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log.hpp"

#include <chrono>
#include <cstdint>
#include <format>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

namespace hvisor {

/// At most 10 messages, or as many as it is told, in 5 seconds about one device, then
/// a count of what was left out: for everything that a guest can cause. Any thread, and none
/// waits for the log.
class RateLimit {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr unsigned burst = 10;
    static constexpr std::chrono::seconds window{5};

    RateLimit() = default;
    explicit RateLimit(log::Fields fields, unsigned most = burst) : fields_(std::move(fields)), most_(most) {}

    template <class... Args>
    void warning(std::format_string<Args...> format, Args&&... args) {
        warning(log::Event::none, format, std::forward<Args>(args)...);
    }
    template <class... Args>
    void warning(log::Event event, std::format_string<Args...> format, Args&&... args) {
        if (const auto suppressed = admit(Clock::now())) {
            write(event, std::format(format, std::forward<Args>(args)...), *suppressed);
        }
    }

    /// Whether one more message may be written now: nothing, or how many were
    /// left out before it.
    [[nodiscard]] std::optional<std::uint64_t> admit(Clock::time_point now);
    [[nodiscard]] const log::Fields& fields() const { return fields_; }

  private:
    void write(log::Event event, std::string_view message, std::uint64_t suppressed) const;

    log::Fields fields_;
    unsigned most_ = burst;
    std::mutex lock_;
    Clock::time_point begin_;
    unsigned written_ = 0;
    std::uint64_t suppressed_ = 0;
};

} // namespace hvisor
