// SPDX-License-Identifier: Apache-2.0
#include "virtio/interrupt.hpp"

#include <algorithm>

namespace hvisor::virtio {
namespace {

std::int64_t to_ns(Interrupt::Clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

Interrupt::Clock::time_point from_ns(std::int64_t ns) {
    return Interrupt::Clock::time_point(std::chrono::nanoseconds(ns));
}

} // namespace

void Interrupt::inject(Clock::time_point now) {
    state_.injected_ns.set(to_ns(now));
    state_.sent.add(1);
    port_.inject(zone_, number_);
}

void Interrupt::raise(std::uint32_t bits, Clock::time_point now) {
    if (fetch_or(state_.status, bits) == 0) {
        state_.raised_ns.set(to_ns(now));
        state_.repeats.set(0);
    }
    inject(now);
}

void Interrupt::clear() {
    fetch_and(state_.status, 0);
    state_.repeats.set(0);
}

void Interrupt::resume(Clock::time_point now) {
    const auto latest = to_ns(now);
    state_.raised_ns.set(std::clamp<std::int64_t>(state_.raised_ns.get(), 0, latest));
    state_.injected_ns.set(std::clamp<std::int64_t>(state_.injected_ns.get(), 0, latest));
}

std::optional<Interrupt::Clock::time_point> Interrupt::repair(Clock::time_point now, bool driver_is_behind) {
    const auto repeats = state_.repeats.get();
    if (status() == 0) {
        // A driver that acknowledges every time and still does not look polls
        // its queue instead; it has been told often enough.
        if (!driver_is_behind || repeats > longest_repeat_shift) {
            return std::nullopt;
        }
    }
    const auto wait = first_repeat * (1U << std::min(repeats, longest_repeat_shift));
    const auto due = from_ns(state_.injected_ns.get()) + wait;
    if (now < due) {
        return due;
    }
    if (status() == 0) {
        // A handler that finds no bit set takes the interrupt for a stray one.
        fetch_or(state_.status, interrupt_used_buffer);
        state_.raised_ns.set(to_ns(now));
    }
    state_.repeats.set(repeats + 1);
    state_.repeated.add(1);
    inject(now);
    return now + first_repeat * (1U << std::min(repeats + 1, longest_repeat_shift));
}

std::optional<Interrupt::Clock::duration> Interrupt::unacknowledged(Clock::time_point now) const {
    if (status() == 0) {
        return std::nullopt;
    }
    return now - from_ns(state_.raised_ns.get());
}

} // namespace hvisor::virtio
