// SPDX-License-Identifier: Apache-2.0
#include "base/blame.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>
#include <unistd.h>

namespace hvisor {
namespace {

using Place = std::atomic<FaultCount*>;

/// Faults that lie further apart have nothing to do with each other; a watchdog takes its time.
constexpr std::uint32_t window_seconds = 300;
/// A daemon has a few threads, and one for each screen.
constexpr std::size_t most_threads = 128;
constexpr ::pid_t service_manager = 1;

std::array<Place, most_threads> places{};
std::array<std::atomic<bool>, most_threads> taken{};
std::array<struct sigaction, fault_signals.size()> before{};

// For the handler, which must not run what makes a thread's variable.
constinit thread_local Place* mine = nullptr;

/// A thread's place among the others, given back when it ends.
class Seat {
  public:
    Seat() : index_(find()) { mine = index_ < places.size() ? &places.at(index_) : nullptr; }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    Seat(Seat&&) = delete;
    Seat& operator=(Seat&&) = delete;
    ~Seat() {
        mine = nullptr;
        if (index_ < taken.size()) {
            taken.at(index_) = false;
        }
    }

  private:
    static std::size_t find() {
        const auto free = std::ranges::find_if(taken, [](auto& seat) { return !seat.exchange(true); });
        return static_cast<std::size_t>(free - taken.begin());
    }

    std::size_t index_;
};

Place* place_of_thread() {
    static thread_local const Seat seat;
    return mine;
}

// From here on what a signal handler may do (signal-safety(7)).

void count(const Place* place) {
    auto* whom = place != nullptr ? place->load(std::memory_order_relaxed) : nullptr;
    if (whom == nullptr) {
        return;
    }
    ::timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    const auto seconds = static_cast<std::uint32_t>(now.tv_sec);
    whom->in_a_row = seconds - whom->latest <= window_seconds ? whom->in_a_row + 1 : 1;
    whom->latest = seconds;
}

void on_fault(int number, siginfo_t* info, void* /*context*/) {
    const bool is_sent = info->si_code <= 0;
    if (!is_sent || info->si_pid == ::getpid()) {
        count(mine);
    } else if (number == SIGABRT && info->si_pid == service_manager) {
        for (const auto& place : places) {
            count(&place);
        }
    }
    // The instruction that failed fails once more, as it would have.
    for (std::size_t i = 0; i < fault_signals.size(); ++i) {
        if (fault_signals[i] == number) {
            ::sigaction(number, &before[i], nullptr);
        }
    }
    if (is_sent) {
        static_cast<void>(::raise(number));
    }
}

} // namespace

Blame::Blame(FaultCount& whom)
    : place_(place_of_thread()),
      outer_(place_ != nullptr ? place_->load(std::memory_order_relaxed) : nullptr) {
    if (place_ != nullptr) {
        place_->store(&whom, std::memory_order_relaxed);
    }
}

Blame::~Blame() {
    if (place_ != nullptr) {
        place_->store(outer_, std::memory_order_relaxed);
    }
}

void count_faults() {
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    ::sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < fault_signals.size(); ++i) {
        ::sigaction(fault_signals[i], &action, &before[i]);
    }
}

} // namespace hvisor
