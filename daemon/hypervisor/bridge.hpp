// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/state_memory.hpp"
#include "hypervisor/hypervisor.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

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

/// What the daemon is about to do with the bridge: plain data in memory that may
/// outlive the process, for the one that goes on after it was killed.
struct BridgeRecord {
    Watched<std::uint32_t> front; ///< of the request that is being handled, plus 1; 0: none is
    /// For each CPU that waits for an answer: its count before it, plus 1; else 0.
    std::array<Watched<std::uint64_t>, bridge_cpus> owed;
};
static_assert(std::is_trivially_copyable_v<BridgeRecord>);

/// The daemon's side of the bridge page: orderings and bounds, no policy.
///
/// One thread takes requests (front, pop, is_idle, the sleep handshake);
/// answer() and push_interrupt() may be called from any thread.
class Bridge {
  public:
    /// `state` is for the BridgeRecord; none: in memory of this process.
    explicit Bridge(Hypervisor& hypervisor, std::shared_ptr<const StateMemory> state = nullptr);

    /// Use the page that the hypervisor has now; nothing is taken from it until
    /// resume(). The thread that takes requests, while no other calls.
    void attach();
    /// Go on where another process was: CPUs that it owes an answer get it, see
    /// MmioTransport::resume(). The same thread.
    void resume();

    /// The oldest request, left in the ring until pop(): a daemon that dies
    /// while it handles a request leaves it for its successor.
    [[nodiscard]] std::optional<TrapRequest> front() const;
    /// The request at the front is handled now: so that it is answered once, whoever ends in between.
    void begin(const TrapRequest& request);
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
    [[nodiscard]] bool is_owed(std::uint32_t cpu) const;
    void finish_front();
    [[nodiscard]] bool try_push(std::uint32_t zone, std::uint32_t interrupt);

    Hypervisor& hypervisor_;
    const std::shared_ptr<const StateMemory> state_;
    BridgeRecord& record_; ///< in it
    BridgePage* page_;
    bool is_held_ = false;                        ///< between attach() and resume()
    std::atomic<std::uint32_t> last_answered_{0}; ///< a CPU
    std::mutex result_lock_;                      ///< producers of the result ring
};

} // namespace hvisor::hypervisor
