// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "virtio/guest_port.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace hvisor::virtio {

/// The bits of InterruptStatus (virtio 1.2, 4.2.2).
inline constexpr std::uint32_t interrupt_used_buffer = 1;
inline constexpr std::uint32_t interrupt_config_change = 2;

/// The interrupt line of one device.
///
/// The hypervisor may lose an injection, for example while the guest's handler
/// for the one before still runs (hvisor interface, 2.3). So an interrupt that the
/// guest has not acknowledged, or after which it has not looked, is sent again:
/// 1, 2, 4 … 64 ms after the last time, then every 64 ms.
///
/// The device's owner thread raises and repairs; TrapLoop reads and acknowledges.
class Interrupt {
  public:
    using Clock = std::chrono::steady_clock;

    /// Plain data, so that it can outlive the process.
    struct State {
        std::uint32_t status = 0;          ///< accessed atomically: both threads write it
        Watched<std::int64_t> raised_ns;   ///< when status became non-zero
        Watched<std::int64_t> injected_ns; ///< the last injection
        Watched<std::uint32_t> repeats;    ///< of this interrupt, so far
        Watched<std::uint64_t> sent;       ///< all injections
        Watched<std::uint64_t> repeated;   ///< those that were repairs
    };

    static constexpr std::chrono::milliseconds first_repeat{1};
    static constexpr std::uint32_t longest_repeat_shift = 6; ///< 64 ms

    /// `state` outlives it, and may be what another process has left.
    Interrupt(GuestPort& port, std::uint32_t zone, std::uint32_t number, State& state)
        : port_(port), zone_(zone), number_(number), state_(state) {}

    /// Set bits of InterruptStatus and inject.
    void raise(std::uint32_t bits, Clock::time_point now);

    [[nodiscard]] std::uint32_t status() const { return load_acquire(state_.status); }
    void acknowledge(std::uint32_t bits) { fetch_and(state_.status, ~bits); }

    /// Forget everything that is pending (device reset).
    void clear();
    /// Go on with a state that another process has left.
    void resume(Clock::time_point now);

    /// Inject again when it is time. `driver_is_behind`: a queue has an entry
    /// that the driver wanted to hear of and has not seen. Returns when to look
    /// again, nothing when all is well.
    [[nodiscard]] std::optional<Clock::time_point> repair(Clock::time_point now, bool driver_is_behind);

    /// For how long the guest has not acknowledged; nothing when it has.
    [[nodiscard]] std::optional<Clock::duration> unacknowledged(Clock::time_point now) const;

    [[nodiscard]] const State& state() const { return state_; }

    [[nodiscard]] std::uint64_t sent() const { return state_.sent.get(); }
    [[nodiscard]] std::uint64_t repeated() const { return state_.repeated.get(); }

  private:
    void inject(Clock::time_point now);

    GuestPort& port_;
    std::uint32_t zone_;
    std::uint32_t number_;
    State& state_;
};

} // namespace hvisor::virtio
