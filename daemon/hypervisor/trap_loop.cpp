// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/trap_loop.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <format>
#include <future>
#include <stdexcept>
#include <sys/epoll.h>
#include <thread>
#include <utility>

namespace hvisor::hypervisor {
namespace {

/// The shortest polling that can pay at all.
constexpr std::chrono::nanoseconds min_poll = std::chrono::microseconds(2);

/// To poll for as long as a sleep would cost never costs more than twice what
/// the best choice would. A sleep costs several wake-ups of a thread: one is its
/// own, and before it the hypervisor stops a CPU of the root zone, and that takes
/// an interrupt. Measured on the emulated board: four.
constexpr int wake_ups_a_sleep = 4;
/// A machine that is busy just then says more, and no other answer counts.
constexpr std::chrono::nanoseconds shortest_max_poll = std::chrono::microseconds(50);
constexpr std::chrono::nanoseconds longest_max_poll = std::chrono::milliseconds(1);

/// Requests that are handled before the thread looks at its other work.
constexpr unsigned max_served = 64;

} // namespace

TrapLoop::TrapLoop(Hypervisor& hypervisor) : TrapLoop(hypervisor, Policy{}) {}

TrapLoop::TrapLoop(Hypervisor& hypervisor, Policy policy, std::shared_ptr<const StateMemory> state)
    : hypervisor_(hypervisor),
      bridge_(hypervisor, std::move(state)),
      policy_(policy),
      max_poll_ns_(policy.max_poll.value_or(shortest_max_poll).count()) {
    // A crash here is the process's: guest CPUs would wait for ever otherwise.
    auto reactor = Reactor::start({.name = "trap-loop", .cpus = {}, .on_crash = {}}, this);
    if (!reactor) {
        throw std::runtime_error(reactor.error().message);
    }
    reactor_ = std::move(*reactor);
    reactor_->call([this] { watch_wake_ups(); });
}

void TrapLoop::attach() {
    reactor_->call([this] {
        bridge_.attach();
        watch_wake_ups();
    });
}

void TrapLoop::resume() {
    reactor_->call([this] { bridge_.resume(); });
}

void TrapLoop::watch_wake_ups() {
    const int wakeup = hypervisor_.wakeup_fd();
    if (wakeup < 0) {
        return; // it is not there yet
    }
    // Edge triggered, so that nobody has to read it: to be awake is all that is wanted.
    if (auto watched = reactor_->watch(wakeup, EPOLLIN | EPOLLET, [](std::uint32_t) {}); !watched) {
        log::error("{}: guests wait up to {} for an answer", watched.error().message,
                   policy_.max_sleep_with_zones);
    }
}

TrapLoop::~TrapLoop() {
    reactor_->stop();
}

void TrapLoop::add_zone(std::uint32_t id, std::shared_ptr<TrapHandler> handler) {
    remove_zone(id);
    if (id >= max_zones) {
        return;
    }
    std::call_once(max_poll_found_, [this] { find_max_poll(); });
    {
        const std::scoped_lock guard(owners_lock_);
        handlers_.at(id).store(handler.get());
        owners_.at(id) = std::move(handler);
        zone_count_.fetch_add(1);
        strangers_.fetch_and(~(1U << id));
    }
    // It may have gone to sleep for longer than is right with a zone.
    reactor_->post([] {});
}

void TrapLoop::remove_zone(std::uint32_t id) {
    if (id >= max_zones) {
        return;
    }
    std::shared_ptr<TrapHandler> removed;
    {
        const std::scoped_lock guard(owners_lock_);
        if (handlers_.at(id).exchange(nullptr) == nullptr) {
            return;
        }
        removed = std::move(owners_.at(id));
        zone_count_.fetch_sub(1);
    }
    // An access that began before may still use the handler; a later one does not see it.
    if (const auto phase = access_phase_.load(); phase % 2 != 0) {
        while (access_phase_.load() == phase) {
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }
}

bool TrapLoop::is_idle() const {
    return bridge_.is_idle();
}

bool TrapLoop::serve() {
    unsigned served = 0;
    while (served < max_served) {
        const auto request = bridge_.front();
        if (!request) {
            break;
        }
        handle(*request);
        bridge_.pop();
        ++served;
    }
    return served != 0;
}

void TrapLoop::handle(const TrapRequest& request) {
    requests_.add(1);
    // seq_cst pairs with remove_zone(): either it sees the phase odd, or we see no handler.
    access_phase_.fetch_add(1);
    bridge_.begin(request);
    const auto value = access(request);
    access_phase_.fetch_add(1);
    if (value && request.needs_answer) {
        bridge_.answer(request.cpu, mask_to_size(*value, request.size));
    }
}

std::optional<std::uint64_t> TrapLoop::access(const TrapRequest& request) {
    auto* handler = request.zone < max_zones ? handlers_.at(request.zone).load() : nullptr;
    if (handler != nullptr && request.size != 0) {
        return handler->access(request);
    }
    unknown_.add(1);
    if (handler == nullptr && request.zone < max_zones && (strangers_.load() >> request.zone & 1) == 0) {
        // Once a zone: a journal that hangs must not hold up this thread again and again.
        strangers_.fetch_or(1U << request.zone);
        log::write_later(log::Level::warning, {},
                         std::format("zone {} accesses {:#x}, but has no virtio devices here: it reads 0",
                                     request.zone, request.address));
    }
    return 0;
}

void TrapLoop::find_max_poll() {
    if (!policy_.max_poll) {
        const std::chrono::nanoseconds sleep = wake_ups_a_sleep * reactor_->measure_wake_up();
        max_poll_ns_.set(std::clamp(sleep, shortest_max_poll, longest_max_poll).count());
    }
}

/// Polling pays when the next request comes within the time that it may take:
/// then sleeping and waking would have been dearer than waiting. What was slept
/// holds the waking, too, which is about as long.
void TrapLoop::adapt_polling(Reactor::Clock::duration slept) {
    poll_window_ = slept < 2 * max_poll() ? std::min(std::max(poll_window_ * 4, min_poll), max_poll())
                                          : std::max(poll_window_ / 2, min_poll);
}

bool TrapLoop::begin_sleep() {
    if (bridge_.begin_sleep()) {
        sleeps_.add(1);
        return true;
    }
    bridge_.end_sleep();
    return false;
}

void TrapLoop::end_sleep(Reactor::Clock::duration slept, bool timed_out) {
    bridge_.end_sleep();
    const bool has_request = !bridge_.is_idle();
    if (timed_out && has_request) {
        missed_wakeups_.add(1);
    }
    // What woke it for other work says nothing about the next request.
    if (has_request || slept >= 2 * max_poll()) {
        adapt_polling(slept);
    }
}

Reactor::Clock::duration TrapLoop::max_sleep() const {
    return zone_count_.load() != 0 ? policy_.max_sleep_with_zones : policy_.max_sleep_without;
}

void TrapLoop::inject(std::uint32_t zone, std::uint32_t interrupt) {
    interrupts_.fetch_add(1, std::memory_order_relaxed);
    if (!bridge_.push_interrupt(zone, interrupt)) {
        // The device sends it again (virtio::Interrupt).
        interrupts_dropped_.fetch_add(1, std::memory_order_relaxed);
        limit_.warning("interrupt {} for zone {} dropped: the hypervisor does not take interrupts", interrupt,
                       zone);
    }
}

void TrapLoop::answer(std::uint32_t cpu, std::uint64_t value) {
    bridge_.answer(cpu, value);
}

bool TrapLoop::drain(std::chrono::milliseconds timeout) {
    // Shared: the task may run after the time is over.
    const auto done = std::make_shared<std::promise<void>>();
    auto finished = done->get_future();
    reactor_->post([this, done] {
        serve();
        done->set_value();
    });
    return finished.wait_for(timeout) == std::future_status::ready;
}

TrapCounts TrapLoop::counts() const {
    return {.requests = requests_.get(),
            .unknown = unknown_.get(),
            .sleeps = sleeps_.get(),
            .missed_wakeups = missed_wakeups_.get(),
            .interrupts = interrupts_.load(std::memory_order_relaxed),
            .interrupts_dropped = interrupts_dropped_.load(std::memory_order_relaxed)};
}

} // namespace hvisor::hypervisor
