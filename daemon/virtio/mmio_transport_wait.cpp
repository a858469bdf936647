// SPDX-License-Identifier: Apache-2.0
// What a driver waits for that takes a while, and how another process goes on with that.
#include "virtio/mmio_transport.hpp"

#include <format>
#include <functional>
#include <utility>

namespace hvisor::virtio {

MmioTransport::MmioTransport(Device& device) : device_(device), registers_(device.record().registers) {
    if (device_.past() != Past::known) {
        clear_registers();
    }
}

void MmioTransport::clear_registers() {
    registers_.clear_but_status();
    for (std::size_t i = 0; i < device_.queue_count(); ++i) {
        clear_queue(i);
    }
}

/// A queue begins with the largest size, as over PCI (virtio 1.2, 4.1.4.3): there are drivers that
/// are content with it and write none.
void MmioTransport::clear_queue(std::size_t queue) {
    registers_.queues.at(queue).clear();
    if (queue < device_.queue_count()) {
        registers_.queues.at(queue).size.set(device_.max_queue_size(queue));
    }
}

MmioTransport::Answer MmioTransport::stop_selected_queue(const RegisterAccess& access, DriverWait wait) {
    const auto index = registers_.queue_sel;
    begin_wait(wait, index);
    layouts_.at(index).reset();
    return when_stopped(access, [this, index](std::function<void()> done) {
        return device_.stop_queue(index, std::move(done));
    });
}

void MmioTransport::begin_wait(DriverWait wait, std::uint32_t queue) {
    auto& record = device_.record();
    record.wait_queue.set(queue);
    keep_order();
    store_relaxed(record.wait, std::to_underlying(wait));
}

void MmioTransport::end_wait() {
    auto& record = device_.record();
    const auto queue = record.wait_queue.get() % max_queues;
    switch (static_cast<DriverWait>(load_acquire(record.wait))) {
    case DriverWait::device_reset:
        registers_.status.set(0);
        break;
    case DriverWait::queue_disabled:
        registers_.queues.at(queue).ready.set(0);
        break;
    case DriverWait::queue_reset:
        // virtio 1.2, 2.6.1.1: QueueReset and QueueReady are 0 at its end, and the
        // queue is as after a device reset.
        clear_queue(queue);
        break;
    case DriverWait::none:
        break;
    }
    store_release(record.wait, 0);
}

MmioTransport::Answer MmioTransport::when_stopped(const RegisterAccess& access,
                                                  const std::function<bool(std::function<void()>)>& stop) {
    if (stop([this, cpu = access.cpu, answer = access.needs_answer] {
            end_wait();
            if (answer) {
                device_.context().port.answer(cpu, 0);
            }
        })) {
        end_wait();
        return 0;
    }
    return std::nullopt;
}

std::optional<std::uint64_t> MmioTransport::reset(const RegisterAccess& access) {
    begin_wait(DriverWait::device_reset, 0);
    // The driver sees the old status until the device has let go of the queues
    // (virtio 1.2, 2.4.1).
    clear_registers();
    for (auto& layout : layouts_) {
        layout.reset();
    }
    return when_stopped(access,
                        [this](std::function<void()> done) { return device_.reset(std::move(done)); });
}

void MmioTransport::resume() {
    if (device_.past() == Past::none) {
        return;
    }
    if (device_.past() == Past::unknown) {
        // It is taken for one that works; a driver that looks sees that it does not.
        registers_.status.set(status::acknowledge | status::driver | status::features_ok | status::driver_ok);
    }
    if (load_acquire(device_.record().wait) == std::to_underlying(DriverWait::device_reset)) {
        clear_registers();
    }
    end_wait();
    for (std::size_t i = 0; i < device_.queue_count(); ++i) {
        if (registers_.queues.at(i).ready.get() == 0) {
            continue;
        }
        if (const auto layout = layout_of(i)) {
            layouts_.at(i) = *layout;
        } else {
            device_.require_reset(
                std::format("queue {}: {} since the daemon was started again", i, layout.error()));
        }
    }
    device_.resume(layouts_);
}

} // namespace hvisor::virtio
