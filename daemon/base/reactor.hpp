// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/thread.hpp"
#include "base/unique_fd.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

namespace hvisor {

/// A thread with an event loop: file descriptors, timers, tasks that other
/// threads post, and wakers. It owns what its callbacks touch, so they need no
/// locks. An exception that leaves a callback is logged and ends there.
class Reactor {
  public:
    using Clock = std::chrono::steady_clock;
    using Task = std::move_only_function<void()>;

    /// Runs `callback` on the reactor soon after wake(), once for any number
    /// of calls. Never blocks and never allocates: what TrapLoop uses to kick.
    class Waker {
      public:
        Waker(Reactor& reactor, std::function<void()> callback);
        Waker(const Waker&) = delete;
        Waker& operator=(const Waker&) = delete;
        Waker(Waker&&) = delete;
        Waker& operator=(Waker&&) = delete;
        ~Waker();
        void wake();

      private:
        friend Reactor;
        Reactor& reactor_;
        std::function<void()> callback_;
        std::atomic<bool> pending_{false};
    };

    /// Runs `callback` on the reactor once the time has come. set() and
    /// cancel() on the reactor's thread only.
    class Timer {
      public:
        Timer(Reactor& reactor, std::function<void()> callback);
        Timer(const Timer&) = delete;
        Timer& operator=(const Timer&) = delete;
        Timer(Timer&&) = delete;
        Timer& operator=(Timer&&) = delete;
        ~Timer();
        void set(Clock::time_point due) { due_ = due; }
        void cancel() { due_.reset(); }
        [[nodiscard]] bool is_set() const { return due_.has_value(); }

      private:
        friend Reactor;
        Reactor& reactor_;
        std::function<void()> callback_;
        std::optional<Clock::time_point> due_;
    };

    [[nodiscard]] static Result<std::unique_ptr<Reactor>> start(ThreadOptions options);
    Reactor(const Reactor&) = delete;
    Reactor& operator=(const Reactor&) = delete;
    Reactor(Reactor&&) = delete;
    Reactor& operator=(Reactor&&) = delete;
    ~Reactor();

    /// Run the posted tasks, then end the thread. From then on post() and
    /// call() run their task at once, on the caller's thread.
    void stop();

    /// Run a task on the reactor; any thread.
    void post(Task task);
    /// Run a task on the reactor and wait for it; any thread.
    void call(Task task);

    // On the reactor's thread only:

    /// Call back while `fd` has one of `events` (EPOLLIN, EPOLLOUT; level
    /// triggered), or a hang-up or an error, which cannot be masked.
    [[nodiscard]] Result<void> watch(int fd, std::uint32_t events,
                                     std::function<void(std::uint32_t)> callback);
    /// Other events from now on; ends a pause.
    void rewatch(int fd, std::uint32_t events);
    /// Nothing, not even a hang-up, until rewatch().
    void pause(int fd);
    void unwatch(int fd);

  private:
    Reactor(UniqueFd epoll, UniqueFd event);
    void run();
    void run_ready();
    void sleep_and_dispatch();
    void wake_up();
    [[nodiscard]] bool has_work();
    [[nodiscard]] std::optional<Clock::time_point> next_due() const;
    [[nodiscard]] bool is_reactor_thread() const;

    struct Watch {
        std::uint64_t id;
        std::function<void(std::uint32_t)> callback;
        bool paused = false;
    };

    UniqueFd epoll_;
    UniqueFd event_;
    std::unordered_map<int, std::shared_ptr<Watch>> watches_;
    std::uint32_t next_watch_ = 0;
    std::vector<Waker*> wakers_;
    std::vector<Timer*> timers_;

    std::mutex lock_;
    std::vector<Task> posted_; ///< under lock_
    bool stopped_ = false;     ///< under lock_
    std::atomic<bool> has_posted_{false};
    std::atomic<bool> asleep_{false};
    std::atomic<bool> stop_{false};
    std::atomic<std::thread::id> thread_id_;
    std::jthread thread_;
};

} // namespace hvisor
