// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "hypervisor/trap_loop.hpp"
#include "service/main_loop.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace hvisor::service {

/// Tells systemd, four times within WATCHDOG_USEC, that the main loop and TrapLoop
/// go round: the two that everybody waits for. Each time TrapLoop is asked, and if
/// it has not answered the time before, systemd hears nothing. What may hang for
/// good reasons, a disk's worker or the control thread, has no say.
class Watchdog {
  public:
    /// Both outlive this object, which does nothing when systemd has not asked for it.
    [[nodiscard]] static Result<std::unique_ptr<Watchdog>> create(MainLoop& loop,
                                                                  hypervisor::TrapLoop& trap_loop);
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    Watchdog(Watchdog&&) = delete;
    Watchdog& operator=(Watchdog&&) = delete;
    ~Watchdog() = default;

  private:
    explicit Watchdog(hypervisor::TrapLoop& trap_loop) : trap_loop_(trap_loop) {}
    void look();

    hypervisor::TrapLoop& trap_loop_;
    std::uint64_t asked_ = 0;
    /// TrapLoop may answer after this object's end.
    std::shared_ptr<std::atomic<std::uint64_t>> answered_ = std::make_shared<std::atomic<std::uint64_t>>(0);
    bool is_stalled_ = false;
};

} // namespace hvisor::service
