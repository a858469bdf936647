// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/thread.hpp"
#include "base/unique_fd.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
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

    /// Work that shows itself in memory, not by a descriptor. A reactor that
    /// has a source serves it first and between two pieces of other work, and
    /// looks for it for a while before it sleeps. All calls on its thread.
    class Source {
      public:
        Source() = default;
        Source(const Source&) = delete;
        Source& operator=(const Source&) = delete;
        Source(Source&&) = delete;
        Source& operator=(Source&&) = delete;
        virtual ~Source() = default;

        [[nodiscard]] virtual bool is_idle() const = 0;
        /// Do all there is; false when there was nothing. It may be called
        /// from inside a callback, by breathe().
        virtual bool serve() = 0;
        /// How long to look for work before sleeping.
        [[nodiscard]] virtual Clock::duration poll_window() const = 0;
        /// False: something came; do not sleep. What comes from now on wakes a
        /// descriptor that the reactor watches.
        [[nodiscard]] virtual bool begin_sleep() = 0;
        virtual void end_sleep(Clock::duration slept, bool timed_out) = 0;
        /// How long to sleep at most.
        [[nodiscard]] virtual Clock::duration max_sleep() const = 0;
    };

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

    [[nodiscard]] static Result<std::unique_ptr<Reactor>> start(ThreadOptions options,
                                                                Source* source = nullptr);
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

    /// How long it takes from a wake-up until the sleeping thread runs: the
    /// median of a few tries, which take some milliseconds. Any other thread.
    [[nodiscard]] Clock::duration measure_wake_up();

    // On the reactor's thread only:

    /// In the middle of long work: serve the source.
    void breathe() {
        if (source_ != nullptr) {
            source_->serve();
        }
    }

    /// Other threads, or the kernel, work on so many more, or fewer, things for
    /// this one. While they do it does not poll: the core may be theirs, and
    /// their end is told by a descriptor.
    void begin_wait(std::size_t count) { waits_ += count; }
    void end_wait(std::size_t count) { waits_ -= count; }

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
    Reactor(UniqueFd epoll, UniqueFd event, Source* source);
    void run();
    /// False when the source had nothing.
    bool serve_source();
    /// Tasks, wakers and timers that are due; false when there were none.
    bool run_ready();
    [[nodiscard]] bool poll_source();
    void sleep();
    void dispatch(const timespec* timeout);
    void wake_up();
    [[nodiscard]] bool has_work() const;
    /// How long to sleep at most; nothing: for ever.
    [[nodiscard]] std::optional<Clock::duration> sleep_limit() const;
    [[nodiscard]] std::optional<Clock::time_point> next_due() const;
    [[nodiscard]] bool is_reactor_thread() const;

    struct Watch {
        std::uint64_t id;
        std::function<void(std::uint32_t)> callback;
        bool paused = false;
    };

    UniqueFd epoll_;
    UniqueFd event_;
    Source* source_;
    Clock::time_point dispatched_; ///< when descriptors were looked at last
    std::size_t waits_ = 0;
    bool timed_out_ = false; ///< the latest look at descriptors found none
    std::unordered_map<int, std::shared_ptr<Watch>> watches_;
    std::uint32_t next_watch_ = 0;
    std::vector<Waker*> wakers_;
    std::vector<Timer*> timers_;

    std::mutex lock_;
    std::vector<Task> posted_;          ///< under lock_
    bool stopped_ = false;              ///< under lock_
    std::atomic<bool> has_work_{false}; ///< a task was posted or a waker called
    std::atomic<bool> asleep_{false};
    std::atomic<bool> stop_{false};
    std::atomic<std::thread::id> thread_id_;
    std::jthread thread_;
};

} // namespace hvisor
