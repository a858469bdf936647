// SPDX-License-Identifier: Apache-2.0
#include "service/control_thread.hpp"

#include "base/thread.hpp"

namespace hvisor::service {

ControlThread::ControlThread(MainLoop& loop, const char* name)
    : loop_(loop), thread_(spawn_thread({.name = name, .cpus = {}, .on_crash = {}}, [this] { run(); })) {}

ControlThread::~ControlThread() {
    join();
}

void ControlThread::join() {
    end_.request_stop();
    if (thread_.joinable()) {
        thread_.join();
    }
}

std::unexpected<Error> ControlThread::stopping() {
    return fail(ErrorCode::wrong_state, "hvisord is stopping: try again when it has started");
}

void ControlThread::enqueue(Job job) {
    {
        const std::lock_guard guard(lock_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
}

void ControlThread::stop(MainLoop::Task idle) {
    {
        const std::lock_guard guard(lock_);
        is_stopping_ = true;
    }
    // Comes after all that is queued: that is answered with an error, and the
    // answers are on the main loop before `idle` is.
    enqueue([this, idle = std::move(idle)](bool) mutable { loop_.post(std::move(idle)); });
}

void ControlThread::run() {
    const std::stop_token end = end_.get_token();
    for (;;) {
        Job job;
        bool is_stopping = false;
        {
            std::unique_lock lock(lock_);
            if (!changed_.wait(lock, end, [this] { return !jobs_.empty(); })) {
                return;
            }
            job = std::move(jobs_.front());
            jobs_.pop_front();
            is_stopping = is_stopping_;
        }
        job(is_stopping);
    }
}

} // namespace hvisor::service
