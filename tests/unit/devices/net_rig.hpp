// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/device.hpp"
#include "kit/device_rig.hpp"
#include "kit/net_cable.hpp"
#include "kit/packed_queue.hpp"
#include "kit/split_queue.hpp"
#include "net_frames.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

namespace hvisor::devices::net {

/// A driver with all its queues.
struct NetRig : kit::DeviceRig<NetDevice> {
    static constexpr virtio::FeatureSet basic{virtio::FeatureBit::version_1, f_mac};
    static constexpr virtio::FeatureSet mergeable{virtio::FeatureBit::version_1, f_mac, f_mrg_rxbuf};
    static constexpr virtio::FeatureSet full{virtio::FeatureBit::version_1,
                                             f_mac,
                                             f_csum,
                                             f_guest_csum,
                                             f_guest_tso4,
                                             f_guest_tso6,
                                             f_guest_ecn,
                                             f_host_tso4,
                                             f_host_tso6,
                                             f_host_ecn,
                                             f_mrg_rxbuf,
                                             f_status,
                                             f_mtu,
                                             f_ctrl_vq,
                                             f_ctrl_rx,
                                             f_ctrl_mac_addr,
                                             f_ctrl_guest_offloads};

    explicit NetRig(virtio::FeatureSet wanted = basic,
                    std::shared_ptr<FakeBackend> cable = std::make_shared<FakeBackend>(),
                    Throttle::Settings transmit_limit = {}, Throttle::Settings receive_limit = {},
                    std::uint16_t size = 64)
        : DeviceRig(cable,
                    NetSettings{.mac = guest_mac, .transmit = transmit_limit, .receive = receive_limit}),
          host(std::move(cable)),
          features(wanted) {
        const bool event_idx = wanted.has(virtio::FeatureBit::ring_event_idx);
        const auto known_pairs = wanted.has(f_mq) ? host->pairs() : 1U;
        for (unsigned i = 0; i < 2 * known_pairs + (wanted.has(f_ctrl_vq) ? 1 : 0); ++i) {
            if (wanted.has(virtio::FeatureBit::ring_packed)) {
                queues.push_back(std::make_unique<kit::PackedQueue>(ram, size, event_idx));
            } else {
                queues.push_back(std::make_unique<kit::SplitQueue>(ram, size, event_idx));
            }
        }
        start();
    }

    void start() {
        std::vector<const kit::DriverQueue*> all;
        for (const auto& queue : queues) {
            all.push_back(queue.get());
        }
        bring_up(all, features);
        settle();
    }
    void restart() {
        driver.reset();
        for (auto& queue : queues) {
            queue->reset();
        }
        start();
    }

    kit::DriverQueue& rx(std::size_t pair = 0) { return *queues.at(receive_queue(pair)); }
    kit::DriverQueue& tx(std::size_t pair = 0) { return *queues.at(transmit_queue(pair)); }

    kit::DriverQueue& control() { return *queues.back(); }

    /// Waits for the next chain that comes back.
    kit::DriverQueue::Used used(kit::DriverQueue& queue) {
        std::optional<kit::DriverQueue::Used> found;
        REQUIRE(kit::eventually([&] { return (found = queue.take_used()).has_value(); }));
        driver.acknowledge();
        return *found;
    }
    [[nodiscard]] kit::ChainBuilder frame_chain(std::span<const std::byte> frame, Header header = {},
                                                std::size_t pair = 0) {
        kit::ChainBuilder chain(tx(pair));
        chain.readable_value(header).readable(frame);
        return chain;
    }
    void transmit(kit::ChainBuilder chain, std::size_t pair = 0) {
        chain.add();
        driver.kick(static_cast<std::uint32_t>(transmit_queue(pair)));
        used(tx(pair));
    }
    std::optional<HostFrame> at_host(std::size_t pair = 0) {
        std::optional<HostFrame> frame;
        static_cast<void>(kit::eventually([&] { return (frame = host->take(pair)).has_value(); }));
        return frame;
    }
    kit::ChainBuilder give_buffer(std::uint32_t size = 2048, std::size_t pair = 0, bool kick = true) {
        kit::ChainBuilder buffer(rx(pair));
        buffer.writable(size);
        buffer.add();
        if (kick) {
            driver.kick(static_cast<std::uint32_t>(receive_queue(pair)));
        }
        return buffer;
    }
    /// The frame in a buffer, and its header.
    static HostFrame frame_in(const kit::ChainBuilder& buffer, std::size_t length) {
        const auto bytes = buffer.written(0);
        HostFrame frame;
        REQUIRE(length >= sizeof frame.header);
        REQUIRE(length <= bytes.size());
        std::memcpy(&frame.header, bytes.data(), sizeof frame.header);
        frame.bytes.assign(bytes.begin() + sizeof frame.header,
                           bytes.begin() + static_cast<std::ptrdiff_t>(length));
        return frame;
    }
    /// Sends a control command; its acknowledgement.
    template <class... Values>
    std::uint8_t command(std::uint8_t type, std::uint8_t number, const Values&... values) {
        std::vector<std::byte> data;
        const auto append = [&data](const auto& value) {
            const auto bytes = std::as_bytes(std::span(&value, 1));
            data.insert(data.end(), bytes.begin(), bytes.end());
        };
        append(type);
        append(number);
        (append(values), ...);
        kit::ChainBuilder chain(control());
        chain.readable(data).writable(1);
        chain.add();
        driver.kick(static_cast<std::uint32_t>(queues.size() - 1));
        CHECK(used(control()).length == 1);
        return std::to_integer<std::uint8_t>(chain.written(0)[0]);
    }
    std::shared_ptr<FakeBackend> host;
    virtio::FeatureSet features;
    std::vector<std::unique_ptr<kit::DriverQueue>> queues;
};

} // namespace hvisor::devices::net
