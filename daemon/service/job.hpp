// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "service/authority.hpp"
#include "zone/start_control.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace hvisor::service {

enum class JobState { waiting, running, done, failed, cancelled };

/// The lowercase word used on D-Bus.
[[nodiscard]] std::string_view to_string(JobState state);

/// One job at one moment.
struct JobInfo {
    std::uint32_t id = 0;
    std::string operation; ///< "start", "shutdown" or "restart"
    Action action{};       ///< what a caller must be allowed to do to cancel it
    std::string zone;      ///< "" as long as it is not known
    JobState state = JobState::waiting;
    unsigned progress = 0;     ///< percent
    std::uint64_t created = 0; ///< CLOCK_REALTIME in microseconds
    std::optional<Error> error{};
};

/// Something that takes longer than a call. It waits for its turn on the
/// control thread, runs there, and ends. Any thread.
class Job {
  public:
    using Clock = std::chrono::steady_clock;

    /// `changed` is called after each change but the first, by the thread that made it.
    Job(JobInfo info, std::function<void()> changed);

    [[nodiscard]] std::uint32_t id() const { return id_; }
    [[nodiscard]] JobInfo inspect() const;
    /// When it ended; nothing before.
    [[nodiscard]] std::optional<Clock::time_point> ended() const;

    /// Its turn has come; the error when it was cancelled before.
    [[nodiscard]] Result<void> begin();
    /// What the work tells, and hears, as it goes on. Outlived by the job.
    [[nodiscard]] zone::StartControl control();
    /// The work is over; nullptr when it did what it was to do.
    void finish(const Error* error);

    /// Ask for its end. `wrong_state` when it has ended, or runs and can only be waited for.
    [[nodiscard]] Result<void> cancel();

  private:
    template <class Change>
    void change(Change apply);

    const std::uint32_t id_;
    const std::function<void()> changed_;
    std::stop_source stop_;

    mutable std::mutex lock_; ///< of all below; held for a moment only
    JobInfo info_;
    std::optional<Clock::time_point> ended_;
};

} // namespace hvisor::service
