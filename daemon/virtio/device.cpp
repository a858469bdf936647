// SPDX-License-Identifier: Apache-2.0
#include "virtio/device.hpp"

#include "base/checked.hpp"
#include "base/fixed_text.hpp"

#include <algorithm>
#include <bit>
#include <future>
#include <new>
#include <utility>

namespace hvisor::virtio {
namespace {

/// A batch: the driver hears of finished requests at the latest after this
/// time, and at once when there is nothing more to do.
constexpr std::chrono::microseconds batch_time{50};
/// After this time the reactor gets to look after its other work, for example
/// a reset of this very device.
constexpr std::chrono::milliseconds turn_time{2};

constexpr std::uint32_t bit(std::size_t queue) {
    return std::uint32_t{1} << queue;
}
constexpr std::uint32_t all_queues = UINT32_MAX;

} // namespace

Device::Device(DeviceContext context, DeviceModel model)
    : context_(std::move(context)),
      model_(std::move(model)),
      limit_(log::Fields{.zone = context_.zone_name, .device = context_.id}),
      memory_(context_.state ? context_.state : StateMemory::of_process(model_.memory_size)),
      record_(DeviceRecord::in(*memory_)),
      interrupt_(context_.port, context_.zone, context_.interrupt, record_.interrupt),
      kick_waker_(context_.owner, [this] { turn([this] { take_kicks(); }); }),
      repair_timer_(context_.owner, [this] { repair_interrupt(); }) {
    model_.features = model_.features | model_.transport;
    begin_record();
}

Device::~Device() = default;

void Device::read_config(std::size_t offset, std::span<std::byte> to) const {
    std::ranges::fill(to, std::byte{0});
    const auto from = config();
    for (std::size_t i = 0; i < to.size() && offset < from.size() && i < from.size() - offset; ++i) {
        to[i] = std::byte{from[offset + i].get()};
    }
}

bool Device::write_config(std::size_t offset, std::span<const std::byte> from) {
    const auto fits = [&](const DeviceModel::Field& field) {
        return range_inside(offset, from.size(), field.offset, field.size);
    };
    if (!std::ranges::any_of(model_.writable_config, fits)) {
        return false;
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        record_.config.at(offset + i).set(std::to_integer<std::uint8_t>(from[i]));
    }
    do_config_selected();
    std::array<std::byte, 8> bytes{}; // the widest access
    std::ranges::copy(from, bytes.begin());
    context_.owner.post([this, offset, bytes, size = from.size()] {
        turn([&] {
            if (!quiesced_) {
                do_config_written(offset, std::span(bytes).first(size));
            }
        });
    });
    return true;
}

void Device::update_config(std::size_t offset, std::span<const std::byte> bytes) {
    put_config(offset, bytes);
    if (is_running()) {
        raise(interrupt_config_change);
    }
}

void Device::put_config(std::size_t offset, std::span<const std::byte> bytes) {
    // Odd while the change goes on: see config_generation().
    fetch_add(record_.config_generation, 1);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        record_.config.at(offset + i).set(std::to_integer<std::uint8_t>(bytes[i]));
    }
    fetch_add(record_.config_generation, 1);
}

std::uint32_t Device::config_generation() {
    std::atomic_thread_fence(std::memory_order_acquire); // after the bytes that were read before
    // A driver takes its bytes for whole when two looks at the generation agree
    // (virtio 1.2, 2.5.1). Two looks within one change must not, however long
    // the thread that changes is kept from going on: each of them counts too.
    const auto now = load_acquire(record_.config_generation);
    return now % 2 == 0 ? now : fetch_add(record_.config_generation, 2);
}

void Device::activate(FeatureSet features, const QueueLayouts& layouts) {
    active_ = true;
    context_.owner.post([this, features, layouts] { turn([&] { start_queues(features, layouts); }); });
}

void Device::start_queue(std::size_t queue, const QueueLayout& layout) {
    context_.owner.post([this, queue, layout] {
        turn([&] {
            if (is_running() && !quiesced_) {
                queues_.at(queue).emplace(layout, *context_.memory, negotiated_, state(queue));
                do_kick(queue);
            }
        });
    });
}

bool Device::reset(std::function<void()> done) {
    if (!active_) {
        store_release(record_.needs_reset, 0);
        return true;
    }
    active_ = false;
    context_.owner.post([this, done = std::move(done)] {
        turn([&] {
            begin_stop(all_queues, [this, done] {
                forget_driver();
                done();
            });
        });
    });
    return false;
}

bool Device::stop_queue(std::size_t queue, std::function<void()> done) {
    if (!active_) {
        return true;
    }
    context_.owner.post(
        [this, queue, done = std::move(done)] { turn([&] { begin_stop(bit(queue), done); }); });
    return false;
}

void Device::kick(std::size_t queue) {
    state(queue).metrics.notifications.add(1);
    serve_again(queue);
}

void Device::serve_again(std::size_t index) {
    kicks_.fetch_or(bit(index));
    kick_waker_.wake();
}

void Device::require_reset(std::string_view reason) {
    limit_.warning(log::Event::device_needs_reset, "needs a reset: {}", reason);
    if (const std::scoped_lock guard(reason_lock_); !needs_reset()) {
        record_.reset_reason = text_of<decltype(record_.reset_reason)>(reason);
    }
    if (exchange(record_.needs_reset, 1) == 0) {
        context_.owner.post([this] { report_fault(); });
    }
}

std::string Device::reset_reason() const {
    const std::scoped_lock guard(reason_lock_);
    return needs_reset() ? std::string(view_of(record_.reset_reason)) : std::string();
}

void Device::report_fault() {
    // virtio 1.2, 2.1.2: only a driver that said DRIVER_OK is told. It may
    // have reset the device since.
    if (!is_running() || !needs_reset()) {
        return;
    }
    raise(interrupt_config_change);
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if (lent_.at(i)) {
            fenced([this, i] { do_stop_queue(i); });
        }
    }
}

void Device::quiesce() {
    std::promise<void> done;
    auto finished = done.get_future();
    context_.owner.post([this, &done] {
        turn([&] {
            const bool is_first = !std::exchange(quiesced_, true);
            begin_stop(all_queues, [this, is_first, &done] {
                repair_timer_.cancel();
                if (is_first) {
                    fenced([this] { do_quiesce(); });
                }
                done.set_value();
            });
        });
    });
    finished.wait();
}

void Device::close() {
    quiesce();
    context_.owner.call([this] { fenced([this] { do_close(); }); });
}

void Device::start_queues(FeatureSet features, const QueueLayouts& layouts) {
    if (quiesced_) {
        return;
    }
    negotiated_ = features;
    set_up_queues(layouts, Queue::Start::fresh);
    record_.is_running.commit(1);
    do_activate();
    // What was made available before DRIVER_OK has no kick of its own.
    kick_all();
}

void Device::set_up_queues(const QueueLayouts& layouts, Queue::Start start) {
    for (std::size_t i = 0; i < queue_count(); ++i) {
        const auto& layout = layouts.at(i);
        if (layout && (model_.lent_queues & bit(i)) != 0) {
            lent_.at(i) = *layout;
        } else if (layout) {
            queues_.at(i).emplace(*layout, *context_.memory, negotiated_, state(i), start);
        }
    }
}

void Device::kick_all() {
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if (runs(i)) {
            do_kick(i);
        }
    }
}

void Device::begin_stop(std::uint32_t queues, std::function<void()> done) {
    const auto fresh = queues & ~stopping_;
    stopping_ |= queues;
    stops_.push_back({.queues = queues, .done = std::move(done)});
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if ((fresh & bit(i)) != 0 && (queues_.at(i) || lent_.at(i))) {
            fenced([this, i] { do_stop_queue(i); });
        }
    }
}

bool Device::has_stopped(std::uint32_t queues) const {
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if ((queues & bit(i)) != 0 && (lent_.at(i) || (queues_.at(i) && queues_.at(i)->in_flight() != 0))) {
            return false;
        }
    }
    return true;
}

void Device::finish_stops() {
    // In the order they were asked for: what comes later waits for no less.
    while (!stops_.empty() && has_stopped(stops_.front().queues)) {
        const auto stop = std::move(stops_.front());
        stops_.erase(stops_.begin());
        for (std::size_t i = 0; i < queue_count(); ++i) {
            if ((stop.queues & bit(i)) != 0) {
                queues_.at(i).reset();
                state(i).is_running.commit(0);
            }
        }
        stopping_ = 0;
        for (const auto& other : stops_) {
            stopping_ |= other.queues;
        }
        stop.done();
    }
}

void Device::end_turn() {
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if (auto* running = queue(i); running != nullptr && running->has_unpublished()) {
            signal(i);
        }
    }
    finish_stops();
}

void Device::take_kicks() {
    for (auto kicks = kicks_.exchange(0); kicks != 0; kicks &= kicks - 1) {
        const auto index = static_cast<std::size_t>(std::countr_zero(kicks));
        if (runs(index)) {
            do_kick(index);
        }
    }
}

bool Device::runs(std::size_t index) const {
    const bool is_there = queues_.at(index) || lent_.at(index);
    return is_there && is_running() && !needs_reset() && (stopping_ & bit(index)) == 0;
}

Queue* Device::queue(std::size_t index) {
    auto& found = queues_.at(index);
    return found && runs(index) ? &*found : nullptr;
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
        running->set_asked(turn_begin);
        running->disable_notifications();
        while (auto chain = pop(index)) {
            do_request(index, std::move(*chain));
            const auto now = Reactor::Clock::now();
            if (now - batch_begin >= batch_time) {
                signal(index, now);
                batch_begin = now;
            }
            if (now - turn_begin >= turn_time) {
                serve_again(index);
                return;
            }
            context_.owner.breathe();
        }
        signal(index);
        if (queue(index) == nullptr || !running->enable_notifications()) {
            return;
        }
    }
}

void Device::signal(std::size_t index, Queue::Clock::time_point now) {
    auto* running = queue(index);
    if (running != nullptr && running->publish(now) && running->take_interrupt_request()) {
        state(index).metrics.interrupts.add(1);
        raise(interrupt_used_buffer);
    }
}

const QueueLayout* Device::lent(std::size_t index) const {
    const auto& layout = lent_.at(index);
    return layout ? &*layout : nullptr;
}

void Device::take_back(std::size_t index, std::uint16_t next_avail) {
    lent_.at(index).reset();
    state(index).indices.set_next_avail(next_avail);
}

void Device::signal_lent(std::size_t index) {
    if (lent(index) != nullptr && runs(index)) {
        state(index).metrics.interrupts.add(1);
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
    const bool behind =
        std::ranges::any_of(
            queues_, [](const std::optional<Queue>& queue) { return queue && queue->driver_is_behind(); }) ||
        (negotiated(FeatureBit::ring_event_idx) &&
         std::ranges::any_of(lent_, [](const std::optional<QueueLayout>& layout) {
             return layout && SplitRing::driver_is_behind(*layout, SplitRing::used_index(*layout));
         }));
    const auto before = interrupt_.state().repeats.get();
    if (const auto next = interrupt_.repair(Interrupt::Clock::now(), behind)) {
        repair_timer_.set(*next);
    }
    // Some are lost now and then; one that the guest leaves that long is worth a line.
    constexpr auto long_repeats = Interrupt::longest_repeat_shift + 1;
    if (before < long_repeats && interrupt_.state().repeats.get() == long_repeats) {
        limit_.warning(log::Event::interrupt_repaired,
                       "interrupt {} is not taken by the guest, and was sent again {} times",
                       context_.interrupt, long_repeats);
    }
}

void Device::fail_internally(const char* what) {
    warn("internal error, please report it: {}", what);
    require_reset("internal error");
}

} // namespace hvisor::virtio
