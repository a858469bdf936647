// SPDX-License-Identifier: Apache-2.0
#include "virtio/device.hpp"

#include <algorithm>
#include <bit>
#include <exception>
#include <utility>

namespace hvisor::virtio {
namespace {

/// A batch: the driver hears of finished requests at the latest after this
/// time, and at once when there is nothing more to do.
constexpr std::chrono::microseconds batch_time{50};
/// After this time the reactor gets to look after its other work, for example
/// a reset of this very device.
constexpr std::chrono::milliseconds turn_time{2};

} // namespace

Device::Device(DeviceContext context, DeviceModel model)
    : context_(std::move(context)),
      model_(std::move(model)),
      limit_(log::Fields{.zone = context_.zone_name, .device = context_.id}),
      interrupt_(context_.port, context_.zone, context_.interrupt),
      kick_waker_(context_.owner, [this] { fenced([this] { take_kicks(); }); }),
      repair_timer_(context_.owner, [this] { repair_interrupt(); }) {
    model_.features = model_.features | transport_features;
}

Device::~Device() = default;

void Device::read_config(std::size_t offset, std::span<std::byte> to) const {
    std::ranges::fill(to, std::byte{0});
    if (offset < model_.config.size()) {
        const auto length = std::min(to.size(), model_.config.size() - offset);
        std::ranges::copy(std::span(model_.config).subspan(offset, length), to.begin());
    }
}

void Device::activate(FeatureSet features,
                      const std::array<std::optional<QueueLayout>, max_queues>& layouts) {
    active_ = true;
    context_.owner.post([this, features, layouts] { fenced([&] { start_queues(features, layouts); }); });
}

bool Device::reset(std::function<void()> done) {
    if (!active_) {
        needs_reset_.store(false, std::memory_order_release);
        return true;
    }
    active_ = false;
    context_.owner.post([this, done = std::move(done)] {
        fenced([this] { stop_queues(); });
        interrupt_.clear();
        needs_reset_.store(false, std::memory_order_release);
        done();
    });
    return false;
}

bool Device::stop_queue(std::size_t queue, std::function<void()> done) {
    if (!active_) {
        return true;
    }
    context_.owner.post([this, queue, done = std::move(done)] {
        queues_.at(queue).reset();
        done();
    });
    return false;
}

void Device::kick(std::size_t queue) {
    kicks_.fetch_or(1U << queue);
    kick_waker_.wake();
}

void Device::require_reset(std::string_view reason) {
    warn("needs a reset: {}", reason);
    if (!needs_reset_.exchange(true)) {
        context_.owner.post([this] { report_fault(); });
    }
}

void Device::post_warning(std::string message, std::uint64_t suppressed) {
    context_.owner.post(
        [this, message = std::move(message), suppressed] { limit_.write(message, suppressed); });
}

void Device::report_fault() {
    // virtio 1.2, 2.1.2: only a driver that said DRIVER_OK is told. It may
    // have reset the device since.
    if (running_ && needs_reset()) {
        raise(interrupt_config_change);
    }
}

void Device::quiesce() {
    context_.owner.call([this] {
        if (quiesced_) {
            return;
        }
        fenced([this] { stop_queues(); });
        quiesced_ = true;
        fenced([this] { do_quiesce(); });
    });
}

void Device::start_queues(FeatureSet features,
                          const std::array<std::optional<QueueLayout>, max_queues>& layouts) {
    if (quiesced_) {
        return;
    }
    negotiated_ = features;
    for (std::size_t i = 0; i < queue_count(); ++i) {
        indices_.at(i).clear();
        if (const auto& layout = layouts.at(i)) {
            queues_.at(i).emplace(*layout, *context_.memory, features, indices_.at(i));
        }
    }
    running_ = true;
    do_activate();
    // What was made available before DRIVER_OK has no kick of its own.
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if (queue(i) != nullptr) {
            do_kick(i);
        }
    }
}

void Device::stop_queues() {
    if (running_) {
        do_stop();
    }
    for (auto& queue : queues_) {
        queue.reset();
    }
    running_ = false;
    repair_timer_.cancel();
}

void Device::take_kicks() {
    for (auto kicks = kicks_.exchange(0); kicks != 0; kicks &= kicks - 1) {
        const auto index = static_cast<std::size_t>(std::countr_zero(kicks));
        if (queue(index) != nullptr) {
            do_kick(index);
        }
    }
}

Queue* Device::queue(std::size_t index) {
    auto& found = queues_.at(index);
    return found && running_ && !needs_reset() ? &*found : nullptr;
}

std::optional<Chain> Device::pop(std::size_t index) {
    auto* running = queue(index);
    if (running == nullptr) {
        return std::nullopt;
    }
    auto chain = running->pop();
    if (!chain) {
        require_reset(std::format("queue {}: {}", index, to_string(chain.error())));
        return std::nullopt;
    }
    return std::move(*chain);
}

void Device::serve(std::size_t index) {
    const auto turn_begin = Reactor::Clock::now();
    auto batch_begin = turn_begin;
    while (auto* running = queue(index)) {
        running->disable_notifications();
        while (auto chain = pop(index)) {
            do_request(index, std::move(*chain));
            const auto now = Reactor::Clock::now();
            if (now - batch_begin >= batch_time) {
                signal(index);
                batch_begin = now;
            }
            if (now - turn_begin >= turn_time) {
                signal(index);
                kick(index);
                return;
            }
        }
        signal(index);
        if (queue(index) == nullptr || !running->enable_notifications()) {
            return;
        }
    }
}

void Device::signal(std::size_t index) {
    if (auto* running = queue(index); running != nullptr && running->take_interrupt_request()) {
        raise(interrupt_used_buffer);
    }
}

void Device::raise(std::uint32_t bits) {
    const auto now = Interrupt::Clock::now();
    interrupt_.raise(bits, now);
    if (!repair_timer_.is_set()) {
        repair_timer_.set(now + Interrupt::first_repeat);
    }
}

void Device::repair_interrupt() {
    const bool behind = std::ranges::any_of(
        queues_, [](const std::optional<Queue>& queue) { return queue && queue->driver_is_behind(); });
    if (const auto next = interrupt_.repair(Interrupt::Clock::now(), behind)) {
        repair_timer_.set(*next);
    }
}

void Device::fenced(const std::function<void()>& hook) {
    try {
        hook();
    } catch (const std::exception& e) {
        log::error(limit_.fields(), "internal error, please report it: {}", e.what());
        require_reset("internal error");
    }
}

} // namespace hvisor::virtio
