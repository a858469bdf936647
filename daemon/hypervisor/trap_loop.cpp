// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/trap_loop.hpp"

#include "base/log.hpp"
#include "base/thread.hpp"

#include <algorithm>
#include <array>
#include <poll.h>
#include <sys/eventfd.h>
#include <utility>

namespace hvisor::hypervisor {
namespace {

using Clock = std::chrono::steady_clock;

/// The shortest polling that can pay at all.
constexpr std::chrono::nanoseconds min_poll = std::chrono::microseconds(2);

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#else
    std::this_thread::yield();
#endif
}

} // namespace

TrapLoop::TrapLoop(Hypervisor& hypervisor) : TrapLoop(hypervisor, Policy{}) {}

TrapLoop::TrapLoop(Hypervisor& hypervisor, Policy policy)
    : bridge_(hypervisor),
      policy_(policy),
      wakeup_fd_(hypervisor.wakeup_fd()),
      kick_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    // A crash here is the process's: guest CPUs would wait for ever otherwise.
    thread_ = spawn_thread({.name = "trap-loop", .cpus = {}, .on_crash = {}}, [this] { run(); });
}

TrapLoop::~TrapLoop() {
    stop_.store(true);
    wake();
    thread_.join();
}

void TrapLoop::wake() {
    ::eventfd_write(kick_fd_.get(), 1);
}

void TrapLoop::add_zone(std::uint32_t id, std::shared_ptr<TrapHandler> handler) {
    remove_zone(id);
    if (id >= max_zones) {
        return;
    }
    {
        const std::scoped_lock guard(owners_lock_);
        handlers_.at(id).store(handler.get());
        owners_.at(id) = std::move(handler);
        zone_count_.fetch_add(1);
        strangers_.fetch_and(~(1U << id));
    }
    // It may have gone to sleep for longer than is right with a zone.
    wake();
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

void TrapLoop::run() {
    while (true) {
        const bool handled = handle_all();
        // Everything that was in the ring when drain() was called is done.
        if (const auto wanted = drain_wanted_.load(); wanted != drain_done_.load()) {
            if (bridge_.is_idle()) {
                drain_done_.store(wanted);
            }
            continue;
        }
        if (stop_.load()) {
            return;
        }
        if (!handled && !poll_for_request()) {
            sleep();
        }
    }
}

bool TrapLoop::handle_all() {
    bool handled = false;
    while (const auto request = bridge_.front()) {
        handle(*request);
        bridge_.pop();
        handled = true;
    }
    return handled;
}

void TrapLoop::handle(const TrapRequest& request) {
    requests_.add(1);
    // seq_cst pairs with remove_zone(): either it sees the phase odd, or we see no handler.
    access_phase_.fetch_add(1);
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
        log::warning("zone {} accesses {:#x}, but has no virtio devices here: it reads 0", request.zone,
                     request.address);
    }
    return 0;
}

bool TrapLoop::poll_for_request() {
    const auto begin = Clock::now();
    do {
        for (int i = 0; i < 32; ++i) {
            if (!bridge_.is_idle()) {
                return true;
            }
            relax();
        }
    } while (Clock::now() - begin < poll_window_);
    return false;
}

/// Polling pays when the next request comes within the time that it may take:
/// then sleeping and waking would have been dearer than waiting.
void TrapLoop::adapt_polling(std::chrono::nanoseconds slept) {
    poll_window_ = slept < policy_.max_poll ? std::min(std::max(poll_window_ * 4, min_poll), policy_.max_poll)
                                            : std::max(poll_window_ / 2, min_poll);
}

void TrapLoop::sleep() {
    if (!bridge_.begin_sleep()) {
        bridge_.end_sleep();
        return;
    }
    sleeps_.add(1);
    const auto begin = Clock::now();
    const auto limit = zone_count_.load() != 0 ? policy_.max_sleep_with_zones : policy_.max_sleep_without;
    std::array<pollfd, 2> fds{{{.fd = wakeup_fd_, .events = POLLIN, .revents = 0},
                               {.fd = kick_fd_.get(), .events = POLLIN, .revents = 0}}};
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(limit.count()));
    bridge_.end_sleep();
    adapt_polling(Clock::now() - begin);
    if (ready == 0 && !bridge_.is_idle()) {
        missed_wakeups_.add(1);
    }
    eventfd_t count = 0;
    for (const auto& fd : fds) {
        if ((fd.revents & POLLIN) != 0) {
            ::eventfd_read(fd.fd, &count);
        }
    }
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
    const auto ticket = drain_wanted_.fetch_add(1) + 1;
    wake();
    const auto deadline = Clock::now() + timeout;
    while (drain_done_.load() < ticket) {
        if (Clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
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
