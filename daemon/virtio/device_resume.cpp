// SPDX-License-Identifier: Apache-2.0
// What it takes to go on where another process was.
#include "virtio/device.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::virtio {

SavedDevice Device::save() {
    SavedDevice saved;
    context_.owner.call([&] {
        saved.common = {.features = negotiated_.bits(),
                        .config_generation = config_generation_.load(),
                        .is_running = running_,
                        .needs_reset = needs_reset(),
                        .interrupt = interrupt_.state()};
        saved.queues = states_;
        saved.config.resize(config_.size());
        read_config(0, saved.config);
        const auto type = type_state();
        saved.type.assign(type.begin(), type.end());
    });
    return saved;
}

void Device::resume(SavedDevice saved, const QueueLayouts& layouts) {
    active_ = saved.common.is_running;
    context_.owner.post([this, saved = std::move(saved), layouts] { turn([&] { go_on(saved, layouts); }); });
}

void Device::go_on(const SavedDevice& saved, const QueueLayouts& layouts) {
    if (quiesced_) {
        return;
    }
    negotiated_ = FeatureSet::from_bits(saved.common.features);
    config_generation_.store(saved.common.config_generation);
    interrupt_.restore(saved.common.interrupt);
    needs_reset_.store(saved.common.needs_reset, std::memory_order_release);
    for (std::size_t i = 0; i < std::min(states_.size(), saved.queues.size()); ++i) {
        states_[i] = saved.queues[i];
    }
    for (std::size_t i = 0; i < std::min(config_.size(), saved.config.size()); ++i) {
        config_[i].set(std::to_integer<std::uint8_t>(saved.config[i]));
    }
    running_ = saved.common.is_running;
    const auto type = type_state();
    const bool is_known = type.size() == saved.type.size();
    if (is_known) {
        std::ranges::copy(saved.type, type.begin());
    }
    if (!running_) {
        return;
    }
    // Whoever had a lent queue has not said how far it came.
    if (!is_known || model_.lent_queues != 0) {
        require_reset("another process has served the driver before, and left nothing to go on with");
        return;
    }
    set_up_queues(layouts, Queue::Start::continued);
    do_resume();
    // An interrupt may have been on its way; one too many does no harm.
    raise(interrupt_used_buffer);
    kick_all();
}

} // namespace hvisor::virtio
