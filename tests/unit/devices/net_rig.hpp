// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/net/backend.hpp"
#include "devices/net/device.hpp"
#include "kit/device_rig.hpp"
#include "kit/packed_queue.hpp"
#include "kit/split_queue.hpp"
#include "net_frames.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <mutex>
#include <span>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::devices::net {

inline constexpr Offloads all_offloads{
    .csum = true, .tso4 = true, .tso6 = true, .ecn = true, .ufo = true, .uso4 = true, .uso6 = true};

/// A frame as the host's end sees it.
struct HostFrame {
    Header header{};
    std::vector<std::byte> bytes;
};

/// A cable that ends in sockets, on which whatever comes out of the device can
/// be looked at, and anything be put in, however wrong.
class FakeBackend final : public Backend {
  public:
    explicit FakeBackend(std::uint16_t pairs = 1, std::uint16_t mtu = 1500, Offloads can = all_offloads)
        : mtu_(mtu), can_(can) {
        for (std::uint16_t i = 0; i < pairs; ++i) {
            int ends[2] = {-1, -1};
            REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
            device_.emplace_back(ends[0]);
            host_.emplace_back(ends[1]);
        }
    }

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] std::uint16_t pairs() const override { return static_cast<std::uint16_t>(device_.size()); }
    [[nodiscard]] std::uint16_t mtu() const override { return mtu_; }
    [[nodiscard]] Offloads capabilities() const override { return can_; }
    [[nodiscard]] int fd(std::size_t pair) const override { return device_.at(pair).get(); }
    [[nodiscard]] Result<void> configure(const Offloads& guest, std::uint16_t pairs) override {
        const std::scoped_lock guard(lock_);
        configured_.emplace_back(guest, pairs);
        if (refuses) {
            return fail(ErrorCode::failed, "refused by the test");
        }
        return {};
    }
    [[nodiscard]] bool is_link_up() const override { return is_up_; }
    [[nodiscard]] int link_fd() const override { return event_.get(); }
    void update_link() override {
        eventfd_t value = 0;
        ::eventfd_read(event_.get(), &value);
        is_up_ = wanted_up_;
    }

    // The host's side, for tests.
    void set_link(bool up) {
        wanted_up_ = up;
        ::eventfd_write(event_.get(), 1);
    }
    [[nodiscard]] bool put(std::span<const std::byte> frame, Header header = {}, std::size_t pair = 0) {
        const iovec pieces[] = {{.iov_base = &header, .iov_len = sizeof header},
                                {.iov_base = const_cast<std::byte*>(frame.data()), .iov_len = frame.size()}};
        return ::writev(host_.at(pair).get(), pieces, 2) > 0;
    }
    [[nodiscard]] std::optional<HostFrame> take(std::size_t pair = 0) {
        HostFrame frame;
        frame.bytes.resize(70000);
        const iovec pieces[] = {{.iov_base = &frame.header, .iov_len = sizeof frame.header},
                                {.iov_base = frame.bytes.data(), .iov_len = frame.bytes.size()}};
        const auto count = ::readv(host_.at(pair).get(), pieces, 2);
        if (count < static_cast<ssize_t>(sizeof frame.header)) {
            return std::nullopt;
        }
        frame.bytes.resize(static_cast<std::size_t>(count) - sizeof frame.header);
        return frame;
    }
    void hang_up() { host_.clear(); }
    [[nodiscard]] std::vector<std::pair<Offloads, std::uint16_t>> configured() const {
        const std::scoped_lock guard(lock_);
        return configured_;
    }
    std::atomic<bool> refuses{false};

  private:
    const std::string name_ = "tap0";
    std::uint16_t mtu_;
    Offloads can_;
    std::vector<UniqueFd> device_;
    std::vector<UniqueFd> host_;
    UniqueFd event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    bool is_up_ = true;
    std::atomic<bool> wanted_up_{true};
    mutable std::mutex lock_;
    std::vector<std::pair<Offloads, std::uint16_t>> configured_;
};

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
