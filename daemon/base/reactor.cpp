// SPDX-License-Identifier: Apache-2.0
#include "base/reactor.hpp"

#include "base/errno_text.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <future>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <utility>

namespace hvisor {
namespace {

constexpr std::uint64_t event_id = UINT64_MAX; ///< no watch has it: their ids are fd and a 32-bit count

/// A fault in one callback must not end the others.
template <class Callback, class... Args>
void fenced(Callback& callback, Args... args) {
    try {
        callback(args...);
    } catch (const std::exception& e) {
        log::error("internal error, please report it: {}", e.what());
    }
}

std::uint64_t watch_id(int fd, std::uint32_t generation) {
    return (std::uint64_t{generation} << 32) | static_cast<std::uint32_t>(fd);
}

} // namespace

Reactor::Waker::Waker(Reactor& reactor, std::function<void()> callback)
    : reactor_(reactor), callback_(std::move(callback)) {
    reactor_.call([this] { reactor_.wakers_.push_back(this); });
}

Reactor::Waker::~Waker() {
    reactor_.call([this] { std::erase(reactor_.wakers_, this); });
}

void Reactor::Waker::wake() {
    // seq_cst pairs with run(): either it sees pending_, or we see it asleep.
    if (!pending_.exchange(true)) {
        reactor_.wake_up();
    }
}

Reactor::Timer::Timer(Reactor& reactor, std::function<void()> callback)
    : reactor_(reactor), callback_(std::move(callback)) {
    reactor_.call([this] { reactor_.timers_.push_back(this); });
}

Reactor::Timer::~Timer() {
    reactor_.call([this] { std::erase(reactor_.timers_, this); });
}

Result<std::unique_ptr<Reactor>> Reactor::start(ThreadOptions options) {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!epoll || !event) {
        return fail(ErrorCode::failed, "cannot create an event loop: {}", errno_text());
    }
    // Edge triggered, so that nobody has to read the eventfd.
    epoll_event interest{.events = EPOLLIN | EPOLLET, .data = {.u64 = event_id}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &interest) != 0) {
        return fail(ErrorCode::failed, "cannot create an event loop: {}", errno_text());
    }
    std::unique_ptr<Reactor> reactor(new Reactor(std::move(epoll), std::move(event)));
    reactor->thread_ = spawn_thread(std::move(options), [self = reactor.get()] { self->run(); });
    return reactor;
}

Reactor::Reactor(UniqueFd epoll, UniqueFd event) : epoll_(std::move(epoll)), event_(std::move(event)) {}

Reactor::~Reactor() {
    stop();
}

void Reactor::stop() {
    if (!thread_.joinable()) {
        return;
    }
    stop_.store(true);
    wake_up();
    thread_.join();
}

bool Reactor::is_reactor_thread() const {
    return thread_id_.load() == std::this_thread::get_id();
}

void Reactor::post(Task task) {
    {
        const std::scoped_lock guard(lock_);
        if (!stopped_) {
            posted_.push_back(std::move(task));
            has_posted_.store(true);
            wake_up();
            return;
        }
    }
    fenced(task);
}

void Reactor::call(Task task) {
    if (is_reactor_thread()) {
        fenced(task);
        return;
    }
    std::promise<void> done;
    auto finished = done.get_future();
    post([&task, &done] {
        fenced(task);
        done.set_value();
    });
    finished.wait();
}

Result<void> Reactor::watch(int fd, std::uint32_t events, std::function<void(std::uint32_t)> callback) {
    const auto id = watch_id(fd, next_watch_++);
    epoll_event interest{.events = events, .data = {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) != 0) {
        return fail(ErrorCode::failed, "cannot watch a file descriptor: {}", errno_text());
    }
    watches_.insert_or_assign(fd, std::make_shared<Watch>(id, std::move(callback), false));
    return {};
}

void Reactor::rewatch(int fd, std::uint32_t events) {
    if (const auto found = watches_.find(fd); found != watches_.end()) {
        auto& watch = *found->second;
        epoll_event interest{.events = events, .data = {.u64 = watch.id}};
        ::epoll_ctl(epoll_.get(), watch.paused ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &interest);
        watch.paused = false;
    }
}

void Reactor::pause(int fd) {
    if (const auto found = watches_.find(fd); found != watches_.end() && !found->second->paused) {
        found->second->paused = true;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    }
}

void Reactor::unwatch(int fd) {
    pause(fd);
    watches_.erase(fd);
}

void Reactor::run() {
    thread_id_.store(std::this_thread::get_id());
    for (;;) {
        run_ready();
        if (stop_.load()) {
            const std::scoped_lock guard(lock_);
            if (posted_.empty()) {
                stopped_ = true;
                thread_id_.store(std::thread::id{});
                return;
            }
            continue;
        }
        sleep_and_dispatch();
    }
}

void Reactor::run_ready() {
    if (has_posted_.exchange(false)) {
        std::vector<Task> tasks;
        {
            const std::scoped_lock guard(lock_);
            tasks.swap(posted_);
        }
        for (auto& task : tasks) {
            fenced(task);
        }
    }
    // A callback may add to, or take from, the lists.
    // NOLINTNEXTLINE(modernize-loop-convert)
    for (std::size_t i = 0; i < wakers_.size(); ++i) {
        if (wakers_[i]->pending_.exchange(false)) {
            fenced(wakers_[i]->callback_);
        }
    }
    const auto now = Clock::now();
    // NOLINTNEXTLINE(modernize-loop-convert)
    for (std::size_t i = 0; i < timers_.size(); ++i) {
        if (timers_[i]->due_ && *timers_[i]->due_ <= now) {
            timers_[i]->due_.reset();
            fenced(timers_[i]->callback_);
        }
    }
}

bool Reactor::has_work() {
    return has_posted_.load() || stop_.load() ||
           std::ranges::any_of(wakers_, [](const Waker* waker) { return waker->pending_.load(); });
}

std::optional<Reactor::Clock::time_point> Reactor::next_due() const {
    std::optional<Clock::time_point> next;
    for (const auto* timer : timers_) {
        if (timer->due_ && (!next || *timer->due_ < *next)) {
            next = timer->due_;
        }
    }
    return next;
}

void Reactor::sleep_and_dispatch() {
    // A timeout of epoll instead of a timerfd: no system call to set a timer.
    timespec timeout{};
    const timespec* limit = nullptr;
    if (const auto due = next_due()) {
        const auto left = std::max(Clock::duration::zero(), *due - Clock::now());
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        timeout.tv_sec = seconds.count();
        timeout.tv_nsec = std::chrono::nanoseconds(left - seconds).count();
        limit = &timeout;
    }
    asleep_.store(true);
    if (has_work()) {
        timeout = {};
        limit = &timeout;
    }
    std::array<epoll_event, 16> events{};
    const int count = ::epoll_pwait2(epoll_.get(), events.data(), events.size(), limit, nullptr);
    asleep_.store(false);
    for (int i = 0; i < count; ++i) {
        const auto& event = events.at(static_cast<std::size_t>(i));
        const auto found = watches_.find(static_cast<int>(event.data.u64 & UINT32_MAX));
        // An earlier callback of this round may have dropped the watch.
        if (event.data.u64 == event_id || found == watches_.end() || found->second->id != event.data.u64 ||
            found->second->paused) {
            continue;
        }
        const auto watch = found->second;
        fenced(watch->callback, event.events);
    }
}

void Reactor::wake_up() {
    if (asleep_.exchange(false)) {
        ::eventfd_write(event_.get(), 1);
    }
}

} // namespace hvisor
