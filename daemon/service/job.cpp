// SPDX-License-Identifier: Apache-2.0
#include "service/job.hpp"

#include <format>
#include <utility>

namespace hvisor::service {

std::string_view to_string(JobState state) {
    switch (state) {
    case JobState::waiting:
        return "waiting";
    case JobState::running:
        return "running";
    case JobState::done:
        return "done";
    case JobState::failed:
        return "failed";
    case JobState::cancelled:
        return "cancelled";
    }
    std::unreachable();
}

Job::Job(JobInfo info, std::function<void()> changed)
    : id_(info.id), changed_(std::move(changed)), info_(std::move(info)) {}

template <class Change>
void Job::change(Change apply) {
    {
        const std::scoped_lock guard(lock_);
        apply(info_);
    }
    changed_();
}

JobInfo Job::inspect() const {
    const std::scoped_lock guard(lock_);
    return info_;
}

std::optional<Job::Clock::time_point> Job::ended() const {
    const std::scoped_lock guard(lock_);
    return ended_;
}

Result<void> Job::begin() {
    if (stop_.stop_requested()) {
        return fail(ErrorCode::cancelled, "job {} was cancelled before it began", id_);
    }
    change([](JobInfo& info) { info.state = JobState::running; });
    return {};
}

zone::StartControl Job::control() {
    return {
        .stop = stop_.get_token(),
        .named = [this](const std::string& name) { change([&](JobInfo& info) { info.zone = name; }); },
        .progress = [this](unsigned percent) { change([&](JobInfo& info) { info.progress = percent; }); }};
}

void Job::finish(const Error* error) {
    change([&](JobInfo& info) {
        if (error == nullptr) {
            info.state = JobState::done;
            info.progress = 100;
        } else {
            info.state = error->code == ErrorCode::cancelled ? JobState::cancelled : JobState::failed;
            info.error = *error;
        }
        ended_ = Clock::now();
    });
}

Result<void> Job::cancel() {
    const JobInfo info = inspect();
    if (info.state != JobState::waiting && info.state != JobState::running) {
        return fail(ErrorCode::wrong_state, "job {} has ended: {}", id_, to_string(info.state));
    }
    // A zone that is half shut down is of use to nobody.
    if (info.state == JobState::running && info.operation == "shutdown") {
        return fail(ErrorCode::wrong_state, "job {} is shutting zone {} down, which cannot be taken back",
                    id_, info.zone);
    }
    stop_.request_stop();
    return {};
}

} // namespace hvisor::service
