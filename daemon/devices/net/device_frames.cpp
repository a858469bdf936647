// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"
#include "devices/net/device.hpp"

#include <array>
#include <cstddef>
#include <unistd.h>
#include <utility>

// The way of frames through a network device, on its owner's thread.
namespace hvisor::devices::net {
namespace {

/// Frames between two looks at the clock.
constexpr unsigned batch_frames = 16;
/// The driver hears of frames at the latest after this time while more come.
constexpr std::chrono::microseconds batch_time{50};
/// After this time the owner gets to look after its other work.
constexpr std::chrono::milliseconds turn_time{2};

/// For the guest's faults among the drops.
bool is_fault_of_guest(Drop why) {
    return why < Drop::refused || why == Drop::no_room;
}

} // namespace

void NetDevice::count(std::size_t queue, Drop why) {
    drops_.at(static_cast<std::size_t>(why)).add(1);
    if (why != Drop::not_mine) {
        count_error(queue);
    }
    if (is_fault_of_guest(why)) {
        warn("frame of queue {} dropped: {}", queue, to_string(why));
    }
}

void NetDevice::transmit(std::size_t pair) {
    const auto index = transmit_queue(pair);
    const auto begin = Reactor::Clock::now();
    auto batch_begin = begin;
    while (auto* running = queue(index)) {
        // Whatever ends these tries this again.
        if (pairs_.at(pair).is_blocked || transmit_timer_.is_set()) {
            return;
        }
        running->set_asked(begin);
        running->disable_notifications();
        while (collect(pair)) {
            if (!send(pair)) {
                settle(pair);
                return;
            }
            const auto now = Reactor::Clock::now();
            if (now - batch_begin >= batch_time) {
                signal(index, now);
                batch_begin = now;
            }
            if (now - begin >= turn_time) {
                serve_again(index);
                return;
            }
            owner().breathe();
        }
        if (transmit_timer_.is_set()) {
            return;
        }
        signal(index);
        if (queue(index) == nullptr || !running->enable_notifications()) {
            return;
        }
    }
}

bool NetDevice::collect(std::size_t pair) {
    const bool is_limited = transmit_throttle_.is_limited();
    do {
        auto chain = pop(transmit_queue(pair));
        if (!chain) {
            break;
        }
        if (is_limited && !transmit_throttle_.is_ready(Reactor::Clock::now())) {
            chain->put_back();
            transmit_timer_.set(transmit_throttle_.next());
            break;
        }
        transmitter_.add(std::move(*chain), sending_);
        // With a limit each frame has to be paid for before the next.
    } while (!is_limited && !transmitter_.is_full());
    return !transmitter_.is_empty();
}

bool NetDevice::send(std::size_t pair) {
    if (!is_plugged()) {
        transmitter_.discard();
        return true;
    }
    const auto index = transmit_queue(pair);
    const bool is_limited = transmit_throttle_.is_limited();
    const bool sent_all = transmitter_.send(*backend_, pair, [&](const Transmitter::Sent& sent) {
        if (sent.drop) {
            count(index, *sent.drop);
            return;
        }
        if (sent.source != state_.filter.own) {
            spoofed_.add(1);
        }
        count_bytes(index, sent.bytes);
        if (is_limited) {
            transmit_throttle_.take(static_cast<std::uint32_t>(sent.bytes), Reactor::Clock::now());
        }
    });
    pairs_.at(pair).is_blocked = !sent_all;
    return sent_all;
}

bool NetDevice::can_receive(std::size_t pair) {
    return is_connected_ && is_plugged() && !is_configuring_ && pair < state_.pairs &&
           !pairs_.at(pair).is_dead && queue(receive_queue(pair)) != nullptr;
}

void NetDevice::receive(std::size_t pair) {
    const auto index = receive_queue(pair);
    if (can_receive(pair)) {
        const auto begin = Reactor::Clock::now();
        auto batch_begin = begin;
        queue(index)->set_asked(begin);
        queue(index)->disable_notifications();
        pairs_.at(pair).is_starved = false;
        for (unsigned frames = 1; gather(pair) && receive_one(pair); ++frames) {
            if (frames % batch_frames != 0) {
                continue;
            }
            const auto now = Reactor::Clock::now();
            if (now - batch_begin >= batch_time) {
                signal(index, now);
                batch_begin = now;
            }
            if (now - begin >= turn_time) {
                break; // what is left shows itself again
            }
            owner().breathe();
        }
    }
    settle(pair);
}

bool NetDevice::gather(std::size_t pair) {
    const auto index = receive_queue(pair);
    auto& receiver = pairs_.at(pair).receiver;
    if (receive_throttle_.is_limited() && !receive_throttle_.is_ready(Reactor::Clock::now())) {
        receive_timer_.set(receive_throttle_.next());
        return false;
    }
    for (;;) {
        while (receiver.wants_chain()) {
            auto chain = pop(index);
            if (!chain) {
                break;
            }
            if (!receiver.add(std::move(*chain))) {
                require_reset("a receive buffer without room for a header, or that is not device-writable");
                return false;
            }
        }
        auto* running = queue(index);
        if (running == nullptr) {
            return false;
        }
        if (receiver.has_chain() && !(receiver.is_holding() && receiver.wants_chain())) {
            return true;
        }
        if (!running->enable_notifications()) {
            pairs_.at(pair).is_starved = true;
            return false;
        }
        running->disable_notifications();
    }
}

bool NetDevice::receive_one(std::size_t number) {
    using enum Receiver::Outcome;
    const auto index = receive_queue(number);
    auto& pair = pairs_.at(number);
    const auto result = pair.receiver.receive(backend_->fd(number), state_.filter, state_.receiving);
    switch (result.outcome) {
    case received:
        count_bytes(index, result.bytes);
        if (receive_throttle_.is_limited()) {
            receive_throttle_.take(static_cast<std::uint32_t>(result.bytes), Reactor::Clock::now());
        }
        return true;
    case dropped:
        count(index, result.drop);
        return true;
    case held:
        if (!pair.receiver.wants_chain()) { // no number of buffers helps
            pair.receiver.drop_held();
            count(index, Drop::no_room);
            return true;
        }
        pair.held_since = Reactor::Clock::now();
        if (!patience_timer_.is_set()) {
            patience_timer_.set(pair.held_since + patience);
        }
        return true;
    case empty:
        return false;
    case cannot_go:
        log::warning(log_fields(), "{} has gone; the guest's network is cut off until its next start", name_);
        pair.is_dead = true;
        return false;
    }
    return false;
}

void NetDevice::drop_late_frames() {
    const auto now = Reactor::Clock::now();
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
        auto& pair = pairs_[i];
        if (!pair.receiver.is_holding()) {
            continue;
        }
        if (const auto due = pair.held_since + patience; due > now) {
            patience_timer_.set(due);
            continue;
        }
        // A driver with so few buffers may never have enough for this one.
        pair.receiver.drop_held();
        count(receive_queue(i), Drop::no_room);
        receive(i);
    }
}

/// What came before the driver was there is not for it.
void NetDevice::drain(std::size_t pair) {
    constexpr int longest_queue = 10000; // a tap's is 1000 unless somebody changed it
    std::array<std::byte, 1> rest{};
    for (int i = 0; i < longest_queue && ::read(backend_->fd(pair), rest.data(), rest.size()) > 0; ++i) {
        owner().breathe();
    }
}

} // namespace hvisor::devices::net
