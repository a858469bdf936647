// SPDX-License-Identifier: Apache-2.0
#include "service/watchdog.hpp"

#include "base/log.hpp"

#include <systemd/sd-daemon.h>

#include <string>
#include <utility>

namespace hvisor::service {
namespace {

/// One that comes late is still in time.
constexpr std::uint64_t looks = 4;

} // namespace

Result<std::unique_ptr<Watchdog>> Watchdog::create(MainLoop& loop, hypervisor::TrapLoop& trap_loop) {
    std::unique_ptr<Watchdog> watchdog(new Watchdog(trap_loop));
    std::uint64_t limit_us = 0;
    if (sd_watchdog_enabled(0, &limit_us) <= 0) {
        return watchdog;
    }
    const auto period =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds(limit_us / looks));
    return loop.every(period, [self = watchdog.get()] { self->look(); }).transform([&] {
        return std::move(watchdog);
    });
}

void Watchdog::look() {
    const bool has_answered = answered_->load() == asked_;
    if (has_answered) {
        sd_notify(0, "WATCHDOG=1");
        trap_loop_.reactor().post([answered = answered_, number = ++asked_] { answered->store(number); });
    }
    if (is_stalled_ == !has_answered) {
        return;
    }
    is_stalled_ = !has_answered;
    if (is_stalled_) {
        log::write_later(log::Level::error, {.event = log::Event::trap_loop_stalled},
                         "the thread that answers guests does not: systemd is not told any more that this "
                         "daemon is well");
    } else {
        log::write_later(log::Level::info, {}, "the thread that answers guests does so again");
    }
}

} // namespace hvisor::service
