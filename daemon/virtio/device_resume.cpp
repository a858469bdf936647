// SPDX-License-Identifier: Apache-2.0
// What it takes to go on where another process was.
#include "virtio/device.hpp"

#include <stdexcept>
#include <utility>

namespace hvisor::virtio {
namespace {

constexpr std::size_t align_up(std::size_t size, std::size_t alignment) {
    return (size + alignment - 1) / alignment * alignment;
}

} // namespace

std::byte* Device::type_memory(std::size_t size) const {
    const auto begin = align_up(sizeof(DeviceRecord), type_alignment);
    if (size != model_.state_size || size > memory_->bytes().size() - begin) {
        throw std::logic_error("a device has another state than its model says");
    }
    return memory_->bytes().data() + begin;
}

Device::Place Device::place_of(const void* part) const {
    return {.file = memory_->fd(), .offset = static_cast<const std::byte*>(part) - memory_->bytes().data()};
}

void Device::begin_record() {
    if (model_.config.size() > max_config || model_.queue_sizes.size() > max_queues) {
        throw std::logic_error("a device's model is larger than its record");
    }
    const RecordHeader mine{.magic = DeviceRecord::magic,
                            .layout = DeviceRecord::layout,
                            .device_id = model_.device_id,
                            .queue_count = static_cast<std::uint32_t>(model_.queue_sizes.size()),
                            .config_size = static_cast<std::uint32_t>(model_.config.size()),
                            .type_size = static_cast<std::uint32_t>(model_.state_size)};
    const bool is_mine = record_.header == mine;
    if (is_mine && record_.faults.is_hopeless()) {
        unknown_because_ = "hvisord has ended by a fault three times in a row while it served the driver";
    } else if (is_mine) {
        past_ = Past::known;
        return;
    }
    past_ = record_.header == RecordHeader{} ? Past::none : Past::unknown;
    if (past_ == Past::unknown) {
        memory_->clear();
    }
    for (std::size_t i = 0; i < model_.config.size(); ++i) {
        record_.config.at(i).set(std::to_integer<std::uint8_t>(model_.config[i]));
    }
    keep_order();
    record_.header = mine;
}

void Device::forget_driver() {
    record_.is_running.commit(0);
    repair_timer_.cancel();
    fenced([this] { do_reset(); });
    interrupt_.clear();
    store_release(record_.needs_reset, 0);
}

void Device::resume(const QueueLayouts& layouts) {
    active_ = (record_.registers.status.get() & status::driver_ok) != 0;
    context_.owner.post([this, layouts] { turn([&] { go_on(layouts); }); });
}

void Device::go_on(const QueueLayouts& layouts) {
    if (quiesced_) {
        return;
    }
    auto news = interrupt_used_buffer;
    interrupt_.resume(Interrupt::Clock::now());
    if (load_acquire(record_.config_generation) % 2 != 0) {
        fetch_add(record_.config_generation, 1);
        news |= interrupt_config_change;
    }
    // None, or one that was about to reset the device.
    if ((record_.registers.status.get() & status::driver_ok) == 0) {
        const bool needed_reset = needs_reset();
        forget_driver();
        store_release(record_.needs_reset, needed_reset ? 1 : 0);
        return;
    }
    negotiated_ = FeatureSet::from_bits(record_.registers.driver_features);
    const bool was_running = is_running();
    record_.is_running.commit(1);
    if (past_ == Past::unknown) {
        require_reset(unknown_because_);
        return;
    }
    for (std::size_t i = 0; i < queue_count(); ++i) {
        if (layouts.at(i) && !Queue::can_continue(state(i), *layouts.at(i))) {
            require_reset(std::format("queue {}: what another process has left of it makes no sense", i));
            return;
        }
    }
    if (!negotiated_.is_subset_of(features())) {
        require_reset("its driver uses features that this process has not to offer");
        return;
    }
    set_up_queues(layouts, Queue::Start::continued);
    was_running ? do_resume() : do_activate();
    // An interrupt may have been on its way; one too many does no harm.
    raise(news);
    kick_all();
}

} // namespace hvisor::virtio
