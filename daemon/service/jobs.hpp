// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "service/job.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hvisor::service {

/// The jobs that wait, run, or have ended a moment ago, oldest first. Main loop only.
class Jobs {
  public:
    /// So long, and so many, can be looked at after their end.
    static constexpr std::chrono::seconds kept_time{10};
    static constexpr std::size_t kept_jobs = 64;
    /// More than these are refused.
    static constexpr std::size_t most_unfinished = 256;

    /// `changed`: any thread, after a job has changed.
    explicit Jobs(std::function<void()> changed) : changed_(std::move(changed)) {}

    /// A new one, which waits. `resource_busy` when too many do.
    [[nodiscard]] Result<std::shared_ptr<Job>> add(std::string operation, Action action, std::string zone);

    [[nodiscard]] std::vector<JobInfo> list() const;
    /// `wrong_state` when it is no longer there, else as Job::cancel().
    [[nodiscard]] Result<void> cancel(std::uint32_t id) const;

    /// Drop those that ended long ago.
    void forget_old(Job::Clock::time_point now = Job::Clock::now());

  private:
    std::function<void()> changed_;
    std::uint32_t last_id_ = 0;
    std::deque<std::shared_ptr<Job>> jobs_;
};

} // namespace hvisor::service
