// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "hypervisor/hypervisor.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

namespace hvisor::hypervisor {

/// One register access of a guest, as the bridge delivers it. Address and
/// value are the guest's own; the value of a write is masked to `size`.
struct TrapRequest {
    std::uint64_t address = 0;
    std::uint64_t value = 0;
    std::uint32_t zone = 0;
    std::uint32_t cpu = 0; ///< below bridge_cpus when needs_answer
    std::uint8_t size = 0; ///< 1, 2, 4 or 8; 0 when the hypervisor sent nonsense
    bool is_write = false;
    bool needs_answer = false; ///< the CPU spins in the hypervisor until it is answered
};

/// `value` without the bits above `size` bytes.
[[nodiscard]] std::uint64_t mask_to_size(std::uint64_t value, std::uint8_t size);

/// The daemon's side of the bridge page: orderings and bounds, no policy.
///
/// One thread takes requests (front, pop, is_idle, the sleep handshake);
/// answer() and push_interrupt() may be called from any thread.
class Bridge {
  public:
    explicit Bridge(Hypervisor& hypervisor);

    /// Use the page that the hypervisor has now. The thread that takes requests,
    /// while no other calls.
    void attach();

    /// The oldest request, left in the ring until pop(): a daemon that dies
    /// while it handles a request leaves it for its successor.
    [[nodiscard]] std::optional<TrapRequest> front() const;
    void pop();

    [[nodiscard]] bool is_idle() const;

    /// Release a CPU that waits. Exactly once for each request with
    /// needs_answer, never for another.
    void answer(std::uint32_t cpu, std::uint64_t value);

    /// Before sleeping: ask for a wake-up interrupt. False: a request came
    /// meanwhile; do not sleep.
    [[nodiscard]] bool begin_sleep();
    void end_sleep();

    /// Queue an interrupt and tell the hypervisor. False when the ring stayed
    /// full although the hypervisor was asked to drain it.
    [[nodiscard]] bool push_interrupt(std::uint32_t zone, std::uint32_t interrupt);

  private:
    [[nodiscard]] bool try_push(std::uint32_t zone, std::uint32_t interrupt);

    Hypervisor& hypervisor_;
    BridgePage* page_;
    std::atomic<std::uint32_t> last_answered_{0}; ///< a CPU
    std::mutex result_lock_;                      ///< producers of the result ring
};

} // namespace hvisor::hypervisor
