// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>

namespace hvisor {

/// What ends a process by its own doing, a thread's.
inline constexpr std::array fault_signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGABRT};

/// How often this process, and those before it, have ended by a fault while they worked on
/// one thing: plain data in memory that outlives the process.
struct FaultCount {
    /// Three in a row are no accident, and would be followed by a fourth.
    static constexpr std::uint32_t most = 3;

    std::uint32_t in_a_row = 0;
    std::uint32_t latest = 0; ///< seconds since the machine was started

    [[nodiscard]] bool is_hopeless() const { return in_a_row >= most; }
};

/// As long as it lives its thread works on that thing, and a fault counts for it. They may be
/// nested; the innermost counts. Costs two stores.
class Blame {
  public:
    explicit Blame(FaultCount& whom);
    Blame(const Blame&) = delete;
    Blame& operator=(const Blame&) = delete;
    Blame(Blame&&) = delete;
    Blame& operator=(Blame&&) = delete;
    ~Blame();

  private:
    std::atomic<FaultCount*>* const place_; ///< the thread's; null beyond the first threads
    FaultCount* const outer_;
};

/// Count what ends this process from now on: a fault of a thread, abort() among them, for what
/// that thread works on; and SIGABRT by the service manager, whose watchdog has seen no sign of
/// life, for what any thread does. A signal that anybody else sends counts for nothing. The
/// process ends as it would have. Once, and before there are other threads.
void count_faults();

} // namespace hvisor
