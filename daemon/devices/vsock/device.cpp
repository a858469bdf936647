// SPDX-License-Identifier: Apache-2.0
#include "devices/vsock/device.hpp"

#include "base/log.hpp"
#include "devices/vsock/config.hpp"

#include <format>
#include <span>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <utility>

namespace hvisor::devices::vsock {
namespace {

virtio::DeviceModel make_model(const VhostVsock& vhost, std::uint32_t cid, std::size_t state_size) {
    const std::uint64_t guest_cid = cid; // virtio 1.2, 5.10.4
    const auto bytes = std::as_bytes(std::span(&guest_cid, 1));
    return {.device_id = device_id,
            .features = vhost.features(),
            .queue_sizes = {queue_size, queue_size, queue_size},
            .config = std::vector(bytes.begin(), bytes.end()),
            // No packed ring: vhost has none. No RING_RESET: VHOST_VSOCK_SET_RUNNING
            // starts and stops both rings at once and runs none without the other,
            // so a reset of one would take the other from a driver that uses it
            // (virtio 1.2, 2.6.1: a queue is reset individually).
            .transport = {},
            .lent_queues = 1U << receive_queue | 1U << transmit_queue,
            .state_size = state_size};
}

} // namespace

VsockDevice::VsockDevice(virtio::DeviceContext context, std::unique_ptr<VhostVsock> vhost, std::uint32_t cid,
                         std::unique_ptr<Reactor> helper)
    : Device(std::move(context), make_model(*vhost, cid, sizeof(State))),
      state_(type_state<State>()),
      cid_(cid),
      vhost_(std::move(vhost)),
      helper_(std::move(helper)) {
    owner().call([this] { watch_all(); });
}

VsockDevice::~VsockDevice() {
    disconnect();
    // What the helper posted there before it ended.
    owner().call([] {});
}

void VsockDevice::disconnect() {
    helper_.reset();
    vhost_.reset();
}

std::string VsockDevice::backend_name() const {
    return std::format("cid {}", cid_);
}

void VsockDevice::watch_all() {
    const auto watch = [this](int fd, auto callback) {
        if (auto watched = owner().watch(fd, EPOLLIN, std::move(callback)); !watched) {
            log::error(log_fields(), "{}: {}", backend_name(), watched.error().message);
        }
    };
    for (std::size_t ring = 0; ring < vhost_rings; ++ring) {
        watch(vhost_->call_fd(ring), [this, ring](std::uint32_t) { turn([&] { take_interrupt(ring); }); });
        watch(vhost_->error_fd(ring), [this, ring](std::uint32_t) { turn([&] { take_error(ring); }); });
    }
}

void VsockDevice::do_quiesce() {
    if (!std::exchange(is_connected_, false)) {
        return;
    }
    for (std::size_t ring = 0; ring < vhost_rings; ++ring) {
        owner().unwatch(vhost_->call_fd(ring));
        owner().unwatch(vhost_->error_fd(ring));
    }
}

void VsockDevice::do_activate() {
    begin(virtio::Queue::Start::fresh);
}

void VsockDevice::do_resume() {
    state_.owes_event.commit(1);
    // Before a connection that is made from now on can be seen, which the driver would break, too.
    send_owed();
    signal(event_queue);
    begin(virtio::Queue::Start::continued);
}

void VsockDevice::do_reset() {
    state_.owes_event.commit(0);
}

void VsockDevice::begin(virtio::Queue::Start start) {
    const auto* receive = lent(receive_queue);
    const auto* transmit = lent(transmit_queue);
    if (receive == nullptr || transmit == nullptr) {
        require_reset("DRIVER_OK without its receive or its transmit queue");
        return;
    }
    served_ = Served::yes;
    helper_->post([this, features = negotiated(), rings = std::array{*receive, *transmit}, start] {
        if (auto done = vhost_->start(features, rings, start); !done) {
            require_reset(done.error().message);
        }
    });
}

void VsockDevice::do_kick(std::size_t queue) {
    if (queue == event_queue) {
        send_owed();
    } else {
        vhost_->kick(queue);
    }
}

void VsockDevice::do_request(std::size_t, virtio::Chain) {
    // Of the event queue alone, whose buffers wait for an event.
}

void VsockDevice::send_owed() {
    auto* running = queue(event_queue);
    if (state_.owes_event.get() == 0 || running == nullptr ||
        (!running->has_available() && !running->enable_notifications())) {
        return;
    }
    auto chain = pop(event_queue);
    if (!chain) {
        return;
    }
    const Event event{};
    const auto written = chain->writer().write(std::as_bytes(std::span(&event, 1)));
    if (written != sizeof event) {
        require_reset("an event buffer that is too small for an event");
        return;
    }
    chain->set_written(written);
    // Whoever is killed here has the next one tell it once more.
    chain->complete();
    state_.owes_event.commit(0);
}

void VsockDevice::do_stop_queue(std::size_t queue) {
    if (queue == event_queue || served_ == Served::ending) {
        return;
    }
    if (served_ == Served::no) {
        take_back(queue, 0);
        return;
    }
    // The kernel serves both or none.
    served_ = Served::ending;
    helper_->post(
        [this] { owner().post([this, next = vhost_->stop()] { turn([&] { take_rings_back(next); }); }); });
}

void VsockDevice::take_rings_back(const Result<std::array<std::uint16_t, vhost_rings>>& next) {
    if (!next) {
        warn("{}", next.error().message); // a driver can have it tried again and again
    }
    served_ = Served::no;
    for (std::size_t ring = 0; ring < vhost_rings; ++ring) {
        take_back(ring, next ? next->at(ring) : std::uint16_t{0});
    }
}

void VsockDevice::take_interrupt(std::size_t ring) {
    eventfd_t count = 0;
    if (::eventfd_read(vhost_->call_fd(ring), &count) == 0) {
        signal_lent(ring);
    }
}

void VsockDevice::take_error(std::size_t ring) {
    eventfd_t count = 0;
    if (::eventfd_read(vhost_->error_fd(ring), &count) == 0 && lent(ring) != nullptr) {
        require_reset(std::format(
            "queue {}: the kernel cannot work with a chain or a packet that it found there", ring));
    }
}

} // namespace hvisor::devices::vsock
