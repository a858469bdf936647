// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "service/main_loop.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace hvisor::service {

/// A thread for what may block. One job at a time, in the order of the requests,
/// so that no two zones that start or shut down meet in the hypervisor.
class ControlThread {
  public:
    /// `name` is the thread's.
    ControlThread(MainLoop& loop, const char* name);
    ControlThread(const ControlThread&) = delete;
    ControlThread& operator=(const ControlThread&) = delete;
    ControlThread(ControlThread&&) = delete;
    ControlThread& operator=(ControlThread&&) = delete;
    ~ControlThread();

    /// Run `work` on this thread, then `done` with its result on the main
    /// loop. Once the thread is stopping, `done` gets an error instead.
    template <class T>
    void submit(std::move_only_function<Result<T>()> work, std::move_only_function<void(Result<T>)> done) {
        enqueue([this, work = std::move(work), done = std::move(done)](bool is_stopping) mutable {
            Result<T> result = is_stopping ? stopping() : fenced(work);
            loop_.post(
                [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
        });
    }

    /// Begin nothing new, and run `idle` on the main loop when the job that is
    /// running has ended and all have been answered.
    void stop(MainLoop::Task idle);

    /// Wait until all jobs have run and the thread has ended. Answers to the
    /// last of them may be left on the main loop.
    void join();

  private:
    using Job = std::move_only_function<void(bool is_stopping)>;

    template <class T>
    static Result<T> fenced(std::move_only_function<Result<T>()>& work) {
        try {
            return work();
        } catch (const std::exception& error) {
            return fail(ErrorCode::failed, "unexpected: {}", error.what());
        }
    }

    static std::unexpected<Error> stopping();
    void enqueue(Job job);
    void run();

    MainLoop& loop_;
    std::mutex lock_;
    std::condition_variable_any changed_;
    std::deque<Job> jobs_;     ///< under lock_
    bool is_stopping_ = false; ///< under lock_
    std::stop_source end_;
    std::jthread thread_;
};

} // namespace hvisor::service
