// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <systemd/sd-event.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace hvisor::service {

/// The main thread's sd-event loop: D-Bus, timers and signals, and what other
/// threads post to it. Nothing on it may block.
class MainLoop {
  public:
    using Task = std::move_only_function<void()>;

    [[nodiscard]] static Result<std::unique_ptr<MainLoop>> create();
    MainLoop(const MainLoop&) = delete;
    MainLoop& operator=(const MainLoop&) = delete;
    MainLoop(MainLoop&&) = delete;
    MainLoop& operator=(MainLoop&&) = delete;
    ~MainLoop();

    [[nodiscard]] sd_event* handle() const { return event_.get(); }

    /// Run `task` on the loop. Any thread; tasks run in the order they come, and before
    /// the next message of a client: what one has been told holds for its next call.
    void post(Task task);

    /// Run `task` again and again from one period from now on.
    [[nodiscard]] Result<void> every(std::chrono::milliseconds period, Task task);

    /// Run `task` once, so long from now on; never when the loop ends before.
    [[nodiscard]] Result<void> after(std::chrono::microseconds time, Task task);

    /// Run `task` when `fd`, which stays the caller's, can be read; not again
    /// before await_readable(), so that another thread may read it. Once a loop.
    [[nodiscard]] Result<void> on_readable(int fd, Task task);
    void await_readable();

    /// Run `task` when a file of that name appears, until end_appearance(). Once a loop, and an
    /// error where its folder cannot be watched.
    [[nodiscard]] Result<void> on_appearance(const std::filesystem::path& file, Task task);
    void end_appearance() { appearance_.reset(); }

    /// Run `task` at a signal, which does nothing else from now on. The caller's
    /// thread blocks it; the daemon's others block all signals.
    [[nodiscard]] Result<void> on_signal(int number, Task task);

    /// Dispatch until quit().
    [[nodiscard]] Result<void> run();
    void quit();

    /// Run what was posted so far; for what is left over after quit().
    void run_posted();

  private:
    struct Unref {
        void operator()(sd_event* event) const { sd_event_unref(event); }
        void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
    };

    struct Periodic {
        std::chrono::microseconds period;
        Task task;
    };

    struct Once {
        MainLoop* loop;
        std::uint64_t number;
        Task task;
        std::unique_ptr<sd_event_source, Unref> timer;
    };

    MainLoop() = default;
    static void run_fenced(Task& task);

    std::unique_ptr<sd_event, Unref> event_;
    UniqueFd wakeup_;
    std::vector<std::unique_ptr<Periodic>> periodic_;
    std::uint64_t last_once_ = 0;
    std::map<std::uint64_t, Once> once_; ///< what runs after a time, by its number
    std::unique_ptr<sd_event_source, Unref> readable_;
    Task on_readable_;
    std::unique_ptr<sd_event_source, Unref> appearance_; ///< one that the loop owns would keep the loop
    std::string awaited_;                                ///< a name in the folder that is watched
    Task appeared_;
    std::map<int, Task> signals_;
    std::mutex lock_;
    std::vector<Task> posted_; ///< under lock_
};

} // namespace hvisor::service
