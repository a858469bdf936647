// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/vsock/config.hpp"
#include "devices/vsock/device.hpp"
#include "kit/device_rig.hpp"
#include "kit/fake_vhost.hpp"
#include "kit/wait.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace hvisor::devices::vsock {

inline constexpr std::uint32_t cid = 42;
inline constexpr virtio::FeatureSet plain{virtio::FeatureBit::version_1};
inline constexpr virtio::FeatureSet with_event_idx{virtio::FeatureBit::version_1,
                                                   virtio::FeatureBit::ring_event_idx};

/// A device whose kernel is none, its driver and its queues.
struct VsockRig : kit::DeviceRig<VsockDevice> {
    explicit VsockRig(virtio::FeatureSet wanted = plain,
                      const std::shared_ptr<kit::FakeVhost>& fake = std::make_shared<kit::FakeVhost>())
        : DeviceRig([&fake](virtio::DeviceContext context) {
              auto vhost = VhostVsock::create(kit::FakeVhost::open(fake), cid, *context.memory);
              return VsockDevice(std::move(context), std::move(vhost).value(), cid,
                                 *Reactor::start({.name = "setup", .cpus = {}, .on_crash = {}}));
          }),
          kernel(fake),
          features(wanted) {
        for (int i = 0; i < 3; ++i) {
            queues.push_back(
                std::make_unique<kit::SplitQueue>(ram, 16, wanted.has(virtio::FeatureBit::ring_event_idx)));
        }
    }

    void start() { bring_up({queues[0].get(), queues[1].get(), queues[2].get()}, features); }
    void restart() {
        driver.reset();
        for (auto& queue : queues) {
            queue->reset();
        }
        start();
    }
    [[nodiscard]] bool runs() const {
        return kit::eventually([this] { return kernel->is_running(); });
    }

    /// Sends a packet; whether it came back, with an interrupt that was acknowledged.
    [[nodiscard]] bool send(std::string_view packet) { return send(packet, driver); }
    /// By another device that has these queues.
    [[nodiscard]] bool send(std::string_view packet, kit::MmioDriver& to) {
        auto& queue = *queues[transmit_queue];
        kit::ChainBuilder chain(queue);
        const auto head = chain.readable(packet).add();
        if (queue.needs_kick()) {
            to.kick(transmit_queue);
        }
        return comes_back(queue, head, to);
    }
    /// Receives a packet.
    [[nodiscard]] bool receive(std::string_view packet) { return receive(packet, driver, *kernel); }
    [[nodiscard]] bool receive(std::string_view packet, kit::MmioDriver& from, kit::FakeVhost& host) {
        auto& queue = *queues[receive_queue];
        kit::ChainBuilder chain(queue);
        const auto head = chain.writable(64).add();
        from.kick(receive_queue);
        host.deliver(kit::to_bytes(packet));
        if (!comes_back(queue, head, from)) {
            return false;
        }
        auto written = chain.written(0);
        written.resize(packet.size());
        return written == kit::to_bytes(packet);
    }
    [[nodiscard]] static bool comes_back(kit::DriverQueue& queue, std::uint16_t head,
                                         kit::MmioDriver& driver) {
        std::optional<kit::DriverQueue::Used> used;
        const bool is_back =
            kit::eventually([&] { return (used = queue.take_used()).has_value(); }) &&
            kit::eventually([&driver] {
                return (driver.get(virtio::Register::interrupt_status) & virtio::interrupt_used_buffer) != 0;
            });
        driver.acknowledge();
        return is_back && used->head == head;
    }

    std::shared_ptr<kit::FakeVhost> kernel;
    virtio::FeatureSet features;
    std::vector<std::unique_ptr<kit::SplitQueue>> queues;
};

} // namespace hvisor::devices::vsock
