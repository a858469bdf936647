// SPDX-License-Identifier: Apache-2.0
#include "service/jobs.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::service {
namespace {

std::uint64_t microseconds_now() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

} // namespace

Result<std::shared_ptr<Job>> Jobs::add(std::string operation, Action action, std::string zone) {
    forget_old();
    const auto unfinished =
        static_cast<std::size_t>(std::ranges::count_if(jobs_, [](const auto& job) { return !job->ended(); }));
    if (unfinished >= most_unfinished) {
        return fail(ErrorCode::resource_busy, "{} jobs wait or run; try again when some have ended",
                    unfinished);
    }
    JobInfo info{.id = ++last_id_,
                 .operation = std::move(operation),
                 .action = action,
                 .zone = std::move(zone),
                 .created = microseconds_now()};
    return jobs_.emplace_back(std::make_shared<Job>(std::move(info), changed_));
}

std::vector<JobInfo> Jobs::list() const {
    std::vector<JobInfo> jobs;
    jobs.reserve(jobs_.size());
    for (const auto& job : jobs_) {
        jobs.push_back(job->inspect());
    }
    return jobs;
}

Result<void> Jobs::cancel(std::uint32_t id) const {
    const auto job = std::ranges::find(jobs_, id, [](const auto& each) { return each->id(); });
    if (job == jobs_.end()) {
        return fail(ErrorCode::wrong_state, "job {} has ended", id);
    }
    return (*job)->cancel();
}

void Jobs::forget_old(Job::Clock::time_point now) {
    auto ended = static_cast<std::size_t>(
        std::ranges::count_if(jobs_, [](const auto& job) { return job->ended().has_value(); }));
    std::erase_if(jobs_, [&](const auto& job) {
        const auto end = job->ended();
        const bool is_old = end && (now - *end >= kept_time || ended > kept_jobs);
        ended -= is_old ? 1 : 0;
        return is_old;
    });
}

} // namespace hvisor::service
