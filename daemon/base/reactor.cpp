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

/// While there is other work all the time, descriptors are looked at this often.
constexpr std::chrono::microseconds dispatch_period{50};

/// How often to look for the next request of who just had an answer, about a
/// microsecond in all, and how many such requests to serve before other work.
constexpr int linger_polls = 16;
constexpr int max_rounds = 64;

/// For measure_wake_up(): tries, and how long the thread has to fall asleep before each.
constexpr std::size_t wake_up_tries = 5;
constexpr std::chrono::microseconds fall_asleep_time{500};

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

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#else
    std::this_thread::yield();
#endif
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
    // seq_cst pairs with sleep(): either it sees has_work_, or we see it asleep.
    if (!pending_.exchange(true)) {
        reactor_.has_work_.store(true);
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

Result<std::unique_ptr<Reactor>> Reactor::start(ThreadOptions options, Source* source) {
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
    std::unique_ptr<Reactor> reactor(new Reactor(std::move(epoll), std::move(event), source));
    reactor->thread_ = spawn_thread(std::move(options), [self = reactor.get()] { self->run(); });
    return reactor;
}

Reactor::Reactor(UniqueFd epoll, UniqueFd event, Source* source)
    : epoll_(std::move(epoll)), event_(std::move(event)), source_(source) {}

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
            has_work_.store(true);
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

Reactor::Clock::duration Reactor::measure_wake_up() {
    std::array<Clock::duration, wake_up_tries> took{};
    for (auto& one : took) {
        std::this_thread::sleep_for(fall_asleep_time);
        const auto begin = Clock::now();
        call([&one, begin] { one = Clock::now() - begin; });
    }
    std::ranges::nth_element(took, took.begin() + took.size() / 2);
    return took[took.size() / 2];
}

void Reactor::run() {
    thread_id_.store(std::this_thread::get_id());
    for (;;) {
        const bool served = serve_source();
        const bool ran = run_ready();
        if (stop_.load()) {
            const std::scoped_lock guard(lock_);
            if (posted_.empty()) {
                stopped_ = true;
                thread_id_.store(std::thread::id{});
                return;
            }
            continue;
        }
        if (served || ran) {
            if (Clock::now() - dispatched_ >= dispatch_period) {
                const timespec now{};
                dispatch(&now);
            }
        } else if (source_ == nullptr || !poll_source()) {
            sleep();
        }
    }
}

bool Reactor::serve_source() {
    if (source_ == nullptr || !source_->serve()) {
        return false;
    }
    // Who asked once asks again in a moment (a driver that sets a device up, an
    // interrupt handler), and a look at the clock, the timers and the tasks
    // costs more than that moment.
    int rounds = 0;
    for (int idle = 0; idle < linger_polls && rounds < max_rounds && !has_work_.load(); ++idle) {
        if (source_->serve()) {
            idle = 0;
            ++rounds;
        }
        relax();
    }
    return true;
}

bool Reactor::run_ready() {
    bool ran = false;
    if (has_work_.exchange(false)) {
        ran = true;
        std::vector<Task> tasks;
        {
            const std::scoped_lock guard(lock_);
            tasks.swap(posted_);
        }
        for (auto& task : tasks) {
            fenced(task);
        }
        // A callback may add to, or take from, the lists.
        // NOLINTNEXTLINE(modernize-loop-convert)
        for (std::size_t i = 0; i < wakers_.size(); ++i) {
            if (wakers_[i]->pending_.exchange(false)) {
                fenced(wakers_[i]->callback_);
            }
        }
    }
    const auto now = Clock::now();
    // NOLINTNEXTLINE(modernize-loop-convert)
    for (std::size_t i = 0; i < timers_.size(); ++i) {
        if (timers_[i]->due_ && *timers_[i]->due_ <= now) {
            ran = true;
            timers_[i]->due_.reset();
            fenced(timers_[i]->callback_);
        }
    }
    return ran;
}

bool Reactor::has_work() const {
    return has_work_.load() || stop_.load();
}

bool Reactor::poll_source() {
    const auto begin = Clock::now();
    const auto window = waits_ == 0 ? source_->poll_window() : Clock::duration::zero();
    const auto due = next_due();
    auto now = begin;
    do {
        for (int i = 0; i < 32; ++i) {
            if (!source_->is_idle() || has_work()) {
                return true;
            }
            relax();
        }
        now = Clock::now();
        if (due && *due <= now) {
            return true;
        }
        // The window may be a long one, and a frame that came must not wait for its end.
        if (now - dispatched_ >= dispatch_period) {
            const timespec at_once{};
            dispatch(&at_once);
            if (!timed_out_) {
                return true;
            }
        }
    } while (now - begin < window);
    return false;
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

std::optional<Reactor::Clock::duration> Reactor::sleep_limit() const {
    std::optional<Clock::duration> limit;
    if (const auto due = next_due()) {
        limit = std::max(Clock::duration::zero(), *due - Clock::now());
    }
    if (source_ != nullptr) {
        limit = std::min(limit.value_or(Clock::duration::max()), source_->max_sleep());
    }
    return limit;
}

void Reactor::sleep() {
    const auto limit = sleep_limit();
    asleep_.store(true);
    if (has_work() || (source_ != nullptr && !source_->begin_sleep())) {
        asleep_.store(false);
        return;
    }
    // A timeout of epoll instead of a timerfd: no system call to set a timer.
    timespec timeout{};
    if (limit) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*limit);
        timeout.tv_sec = seconds.count();
        timeout.tv_nsec = std::chrono::nanoseconds(*limit - seconds).count();
    }
    const auto begin = Clock::now();
    dispatch(limit ? &timeout : nullptr);
    if (source_ != nullptr) {
        source_->end_sleep(dispatched_ - begin, timed_out_);
    }
}

void Reactor::dispatch(const timespec* timeout) {
    std::array<epoll_event, 16> events{};
    const int count = ::epoll_pwait2(epoll_.get(), events.data(), events.size(), timeout, nullptr);
    asleep_.store(false);
    dispatched_ = Clock::now();
    timed_out_ = count == 0;
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
