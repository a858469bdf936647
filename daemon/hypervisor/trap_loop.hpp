// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/rate_limit.hpp"
#include "base/reactor.hpp"
#include "hypervisor/bridge.hpp"
#include "hypervisor/hypervisor.hpp"
#include "virtio/guest_port.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

namespace hvisor::hypervisor {

/// The devices of one zone, as TrapLoop sees them.
class TrapHandler {
  public:
    TrapHandler() = default;
    TrapHandler(const TrapHandler&) = delete;
    TrapHandler& operator=(const TrapHandler&) = delete;
    TrapHandler(TrapHandler&&) = delete;
    TrapHandler& operator=(TrapHandler&&) = delete;
    virtual ~TrapHandler() = default;

    /// One register access; runs on TrapLoop's thread and must not block. The
    /// result is the value for a read, anything for a write. Nothing means
    /// "later": then somebody calls TrapLoop::answer() for request.cpu once.
    /// That is for a device reset that has to wait for a disk: only the CPU
    /// that asked waits, not every zone.
    virtual std::optional<std::uint64_t> access(const TrapRequest& request) = 0;
};

/// How much TrapLoop has done.
struct TrapCounts {
    std::uint64_t requests = 0;
    std::uint64_t unknown = 0; ///< for a zone without handler, or malformed
    std::uint64_t sleeps = 0;
    std::uint64_t missed_wakeups = 0; ///< requests found by the bounded sleep, not by an interrupt
    std::uint64_t interrupts = 0;
    std::uint64_t interrupts_dropped = 0; ///< the result ring stayed full
};

/// The thread that takes register accesses off the bridge and answers them at
/// once, and the way back to the guests. It is a reactor whose source is the
/// bridge, so that it can own queues, too: the way from a notification to a
/// back end that cannot block then needs no other thread.
class TrapLoop final : public virtio::GuestPort, private Reactor::Source {
  public:
    /// How long it polls before it sleeps, and how long it sleeps at most.
    struct Policy {
        /// Without it, what a few wake-ups of the thread take on this machine.
        std::optional<std::chrono::nanoseconds> max_poll;
        std::chrono::milliseconds max_sleep_with_zones{
            50}; ///< the hypervisor can lose a wake-up (hvisor interface, 3.3)
        std::chrono::milliseconds max_sleep_without{1000};
    };

    /// Starts the thread. `hypervisor` outlives this object.
    explicit TrapLoop(Hypervisor& hypervisor);
    /// `state` is what Bridge keeps there.
    TrapLoop(Hypervisor& hypervisor, Policy policy, std::shared_ptr<const StateMemory> state = nullptr);
    TrapLoop(const TrapLoop&) = delete;
    TrapLoop& operator=(const TrapLoop&) = delete;
    TrapLoop(TrapLoop&&) = delete;
    TrapLoop& operator=(TrapLoop&&) = delete;
    /// Answers what is in the ring, then ends the thread.
    ~TrapLoop() override;

    /// Send interrupts by the bridge page that the hypervisor has now: for one that came
    /// after this object (LateHypervisor). Before the first zone. Any thread but
    /// TrapLoop's own.
    void attach();
    /// Take requests from it, too: once the zones are there that a process before
    /// this one has served, whose CPUs may wait for an answer.
    void resume();

    /// From now on `handler` gets the accesses of zone `id`, which is below
    /// max_zones. Without a handler reads answer 0 and writes do nothing. The
    /// first time it takes some milliseconds. Any thread but TrapLoop's own.
    void add_zone(std::uint32_t id, std::shared_ptr<TrapHandler> handler);

    /// Returns when no access of the zone is running any more.
    void remove_zone(std::uint32_t id);

    static constexpr std::uint32_t max_zones = 32;

    /// The thread itself. What runs there must not block.
    [[nodiscard]] Reactor& reactor() { return *reactor_; }

    void inject(std::uint32_t zone, std::uint32_t interrupt) override;
    void answer(std::uint32_t cpu, std::uint64_t value) override;

    /// Wait until every request that is in the ring now has been handled; false
    /// after `timeout`. Any thread but TrapLoop's own.
    bool drain(std::chrono::milliseconds timeout = std::chrono::seconds(1));

    [[nodiscard]] TrapCounts counts() const;

    /// The longest that it polls; any thread.
    [[nodiscard]] std::chrono::nanoseconds max_poll() const {
        return std::chrono::nanoseconds(max_poll_ns_.get());
    }

  private:
    // Reactor::Source
    [[nodiscard]] bool is_idle() const override;
    bool serve() override;
    [[nodiscard]] Reactor::Clock::duration poll_window() const override { return poll_window_; }
    [[nodiscard]] bool begin_sleep() override;
    void end_sleep(Reactor::Clock::duration slept, bool timed_out) override;
    [[nodiscard]] Reactor::Clock::duration max_sleep() const override;

    void handle(const TrapRequest& request);
    [[nodiscard]] std::optional<std::uint64_t> access(const TrapRequest& request);
    void adapt_polling(Reactor::Clock::duration slept);
    void find_max_poll();
    void watch_wake_ups();

    Hypervisor& hypervisor_;
    Bridge bridge_;
    const Policy policy_;
    Watched<std::int64_t> max_poll_ns_;
    std::once_flag max_poll_found_;
    RateLimit limit_;

    std::array<std::atomic<TrapHandler*>, max_zones> handlers_{};
    std::array<std::shared_ptr<TrapHandler>, max_zones>
        owners_; ///< keeps handlers_ alive; under owners_lock_
    std::mutex owners_lock_;
    std::atomic<std::uint32_t> zone_count_{0};
    std::atomic<std::uint32_t> strangers_{0};    ///< bit n: zone n has been complained about
    std::atomic<std::uint64_t> access_phase_{0}; ///< odd while an access runs
    std::chrono::nanoseconds poll_window_{0};
    Watched<std::uint64_t> requests_;
    Watched<std::uint64_t> unknown_;
    Watched<std::uint64_t> sleeps_;
    Watched<std::uint64_t> missed_wakeups_;
    std::atomic<std::uint64_t> interrupts_{0};
    std::atomic<std::uint64_t> interrupts_dropped_{0};
    std::unique_ptr<Reactor> reactor_;
};

} // namespace hvisor::hypervisor
