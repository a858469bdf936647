// SPDX-License-Identifier: Apache-2.0
#include "service/main_loop.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <utility>

namespace hvisor::service {
namespace {

// Timers of one machine may share a wake-up within this, and within a quarter of their period.
constexpr std::chrono::microseconds timer_accuracy = std::chrono::milliseconds(250);

std::unexpected<Error> fail_event(int result) {
    return fail(ErrorCode::failed, "main loop: {}", std::strerror(-result));
}

} // namespace

Result<std::unique_ptr<MainLoop>> MainLoop::create() {
    std::unique_ptr<MainLoop> loop(new MainLoop);
    sd_event* event = nullptr;
    if (const int result = sd_event_new(&event); result < 0) {
        return fail_event(result);
    }
    loop->event_.reset(event);
    loop->wakeup_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!loop->wakeup_) {
        return fail_event(-errno);
    }
    const auto on_wakeup = [](sd_event_source*, int, std::uint32_t, void* self) {
        static_cast<MainLoop*>(self)->run_posted();
        return 0;
    };
    sd_event_source* source = nullptr;
    int result = sd_event_add_io(event, &source, loop->wakeup_.get(), EPOLLIN, on_wakeup, loop.get());
    if (result >= 0) {
        sd_event_source_set_floating(source, 1);
        result = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
        sd_event_source_unref(source);
    }
    if (result < 0) {
        return fail_event(result);
    }
    return loop;
}

MainLoop::~MainLoop() = default;

void MainLoop::post(Task task) {
    const std::lock_guard guard(lock_);
    posted_.push_back(std::move(task));
    // Fails only when the counter is full, and then the loop wakes up anyway.
    static_cast<void>(eventfd_write(wakeup_.get(), 1));
}

void MainLoop::run_posted() {
    eventfd_t count = 0;
    static_cast<void>(eventfd_read(wakeup_.get(), &count));
    std::vector<Task> tasks;
    {
        const std::lock_guard guard(lock_);
        tasks.swap(posted_);
    }
    for (Task& task : tasks) {
        // What a task holds goes with it: the next may end what that belongs to.
        Task now = std::exchange(task, {});
        run_fenced(now);
    }
}

// Callers of these are C functions, which an exception must not cross; and no
// single message is worth the devices of every zone.
void MainLoop::run_fenced(Task& task) {
    try {
        task();
    } catch (const std::exception& error) {
        log::error("main loop: {}", error.what());
    }
}

Result<void> MainLoop::every(std::chrono::milliseconds period, Task task) {
    auto& added = *periodic_.emplace_back(std::make_unique<Periodic>(period, std::move(task)));
    const auto on_time = [](sd_event_source* source, std::uint64_t, void* data) {
        auto* periodic = static_cast<Periodic*>(data);
        run_fenced(periodic->task);
        sd_event_source_set_time_relative(source, static_cast<std::uint64_t>(periodic->period.count()));
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    };
    const auto accuracy = std::min(timer_accuracy, added.period / 4);
    const int result = sd_event_add_time_relative(
        event_.get(), nullptr, CLOCK_MONOTONIC, static_cast<std::uint64_t>(added.period.count()),
        static_cast<std::uint64_t>(accuracy.count()), on_time, &added);
    if (result < 0) {
        return fail_event(result);
    }
    return {};
}

Result<void> MainLoop::after(std::chrono::microseconds time, Task task) {
    const auto number = ++last_once_;
    auto& added = once_[number] = {.loop = this, .number = number, .task = std::move(task), .timer = {}};
    const auto on_time = [](sd_event_source*, std::uint64_t, void* data) {
        const auto* due = static_cast<const Once*>(data);
        // The source goes with what it was for: nothing of it is touched any more.
        auto node = due->loop->once_.extract(due->number);
        run_fenced(node.mapped().task);
        return 0;
    };
    constexpr std::uint64_t accuracy = 1000; // µs
    sd_event_source* source = nullptr;
    const int result =
        sd_event_add_time_relative(event_.get(), &source, CLOCK_MONOTONIC,
                                   static_cast<std::uint64_t>(time.count()), accuracy, on_time, &added);
    if (result < 0) {
        once_.erase(number);
        return fail_event(result);
    }
    added.timer.reset(source);
    return {};
}

Result<void> MainLoop::on_readable(int fd, Task task) {
    on_readable_ = std::move(task);
    const auto on_event = [](sd_event_source*, int, std::uint32_t, void* self) {
        run_fenced(static_cast<MainLoop*>(self)->on_readable_);
        return 0;
    };
    sd_event_source* source = nullptr;
    if (const int result = sd_event_add_io(event_.get(), &source, fd, EPOLLIN, on_event, this); result < 0) {
        return fail_event(result);
    }
    readable_.reset(source);
    await_readable();
    return {};
}

void MainLoop::await_readable() {
    sd_event_source_set_enabled(readable_.get(), SD_EVENT_ONESHOT);
}

Result<void> MainLoop::on_appearance(const std::filesystem::path& file, Task task) {
    awaited_ = file.filename();
    appeared_ = std::move(task);
    const auto on_event = [](sd_event_source*, const inotify_event* event, void* data) {
        auto* self = static_cast<MainLoop*>(data);
        if (event->len != 0 && self->awaited_ == event->name) {
            run_fenced(self->appeared_);
        }
        return 0;
    };
    const auto folder = std::filesystem::absolute(file).parent_path();
    sd_event_source* source = nullptr;
    const int result = sd_event_add_inotify(event_.get(), &source, folder.c_str(),
                                            IN_CREATE | IN_MOVED_TO | IN_ONLYDIR, on_event, this);
    if (result < 0) {
        return fail_event(result);
    }
    appearance_.reset(source);
    return {};
}

Result<void> MainLoop::on_signal(int number, Task task) {
    Task& kept = signals_[number] = std::move(task);
    const auto on_event = [](sd_event_source*, const signalfd_siginfo*, void* kept_task) {
        run_fenced(*static_cast<Task*>(kept_task));
        return 0;
    };
    const int result =
        sd_event_add_signal(event_.get(), nullptr, number | SD_EVENT_SIGNAL_PROCMASK, on_event, &kept);
    if (result < 0) {
        return fail_event(result);
    }
    return {};
}

Result<void> MainLoop::run() {
    if (const int result = sd_event_loop(event_.get()); result < 0) {
        return fail_event(result);
    }
    return {};
}

void MainLoop::quit() {
    sd_event_exit(event_.get(), 0);
}

} // namespace hvisor::service
