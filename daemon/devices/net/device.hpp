// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/reactor.hpp"
#include "base/throttle.hpp"
#include "devices/net/backend.hpp"
#include "devices/net/config.hpp"
#include "devices/net/control.hpp"
#include "devices/net/frame_check.hpp"
#include "devices/net/receive.hpp"
#include "devices/net/transmit.hpp"
#include "virtio/device.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace hvisor::devices::net {

struct NetSettings {
    Mac mac{};
    Throttle::Settings transmit; ///< from the guest
    Throttle::Settings receive;  ///< to the guest
};

/// A virtio network device (virtio 1.2, 5.1) on a tap.
///
/// Nothing is dropped that can wait: a frame that the host does not take now
/// stays in the guest's queue, and the tap is not read while the guest has no
/// buffer. What a guest does wrong costs it the frame, and is counted.
class NetDevice final : public virtio::Device {
  public:
    NetDevice(virtio::DeviceContext context, std::shared_ptr<Backend> backend, const NetSettings& settings);
    NetDevice(const NetDevice&) = delete;
    NetDevice& operator=(const NetDevice&) = delete;
    NetDevice(NetDevice&&) = delete;
    NetDevice& operator=(NetDevice&&) = delete;
    ~NetDevice() override;

    /// Let go of the tap.
    void disconnect() override;

    [[nodiscard]] std::string_view type_name() const override { return "net"; }
    [[nodiscard]] std::string backend_name() const override { return name_; }

    /// Plug the cable in, or pull it out: then the driver is told that the link
    /// is down, and frames of both directions are lost. Any thread.
    void set_plugged(bool is_plugged);

    // Any thread.
    [[nodiscard]] bool is_plugged() const { return is_plugged_.load(std::memory_order_relaxed); }
    /// As the driver was told.
    [[nodiscard]] bool is_link_up() const { return is_link_up_.load(std::memory_order_relaxed); }
    [[nodiscard]] const Mac& mac() const { return settings_.mac; }
    [[nodiscard]] std::uint16_t mtu() const { return mtu_; }

    // Counters; any thread.
    [[nodiscard]] std::uint64_t dropped(Drop why) const {
        return drops_.at(static_cast<std::size_t>(why)).get();
    }
    /// Frames sent with another source address than the device's own.
    [[nodiscard]] std::uint64_t spoofed() const { return spoofed_.get(); }

    /// A frame that came waits so long for the buffers it needs.
    static constexpr std::chrono::seconds patience{1};

  private:
    struct Pair {
        Receiver receiver;
        bool is_blocked = false;   ///< the tap takes no more: EPOLLOUT tells
        bool is_starved = false;   ///< the driver has no buffer: a kick tells
        bool is_dead = false;      ///< the tap is gone
        std::uint32_t watched = 0; ///< events
        Reactor::Clock::time_point held_since{};
    };

    void do_activate() override;
    void do_resume() override;
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;
    void do_reset() override;
    void do_quiesce() override;
    void do_close() override { do_quiesce(); }

    void watch_all();
    /// For the features that were negotiated.
    void set_up();
    void handle_events(std::size_t pair, std::uint32_t events);
    /// Ask for what can happen next.
    void settle(std::size_t index);
    void look_at_link();
    void tell_link();

    void transmit(std::size_t pair);
    /// Take frames of the driver, as many as go at once; false when there are
    /// none, or the rate limit lets none go now.
    [[nodiscard]] bool collect(std::size_t pair);
    /// False: the tap takes no more.
    [[nodiscard]] bool send(std::size_t pair);
    void receive(std::size_t pair);
    [[nodiscard]] bool can_receive(std::size_t pair);
    /// Take chains as far as they are of use; false when no frame can be received.
    [[nodiscard]] bool gather(std::size_t pair);
    /// False: this was the last one for now.
    [[nodiscard]] bool receive_one(std::size_t number);
    void drop_late_frames();
    void drain(std::size_t pair);

    void run_commands();
    void control(virtio::Chain chain);
    static void acknowledge(virtio::Chain& chain, bool ok);
    void set_mac(const Mac& mac);
    /// Have the host's end do what the driver wants; an answer goes to `chain`.
    void configure(std::optional<virtio::Chain> chain);
    void start_configuration();
    void take_configuration(bool succeeded);
    void finish_configuration(bool succeeded);
    void count(std::size_t queue, Drop why);

    /// All that it remembers of its driver, and of its cable: plain data.
    struct State {
        ControlState control;
        bool is_unplugged = false;
    };
    State& kept_;
    ControlState& state_; ///< in kept_
    Offloads sending_;    ///< negotiated by the driver for what it sends

    const std::string name_;
    const NetSettings settings_;
    const std::uint16_t mtu_;
    std::shared_ptr<Backend> backend_;
    std::vector<Pair> pairs_;
    std::optional<std::size_t> control_queue_;
    Transmitter transmitter_;
    Throttle transmit_throttle_;
    Throttle receive_throttle_;
    bool is_connected_ = true;
    std::atomic<bool> is_plugged_{true};
    std::atomic<bool> is_link_up_{false};

    /// What the host's end was told last.
    Offloads configured_offloads_;
    std::uint16_t configured_pairs_ = 1;
    bool is_configuring_ = false; ///< nothing is received before that is done
    bool is_helper_busy_ = false;
    std::deque<virtio::Chain> commands_;           ///< behind the one that waits
    std::optional<virtio::Chain> waiting_command_; ///< for the host's end
    ControlState state_before_;                    ///< that command

    std::array<Watched<std::uint64_t>, drop_kinds> drops_;
    Watched<std::uint64_t> spoofed_;

    Reactor::Timer transmit_timer_;
    Reactor::Timer receive_timer_;
    Reactor::Timer patience_timer_;
    /// Waits for the kernel's lock of the network configuration; started when
    /// that is needed for the first time, which with most drivers is never.
    std::unique_ptr<Reactor> helper_;
};

} // namespace hvisor::devices::net
