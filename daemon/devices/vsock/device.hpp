// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/reactor.hpp"
#include "devices/vsock/vhost.hpp"
#include "virtio/device.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hvisor::devices::vsock {

/// A virtio socket device (virtio 1.2, 5.10), whose receive and transmit queue
/// the kernel's vhost-vsock serves: no byte of a connection comes through here.
///
/// What remains is the register file, the configuration space, and the way of
/// notifications to the kernel and of interrupts from it, which are what the
/// two queues' metrics count. Requests, bytes and times only the kernel knows;
/// they stay 0. So do the indices, until the kernel stops and tells.
///
/// The cid is the device's for life, and connections break under a running driver
/// in one case only: another process goes on with the device, and the kernel's part
/// has ended with the process before. The rings go on where they were, and the
/// driver is told by the event queue (virtio 1.2, 5.10.6.7).
class VsockDevice final : public virtio::Device {
  public:
    /// `helper` is where the kernel is waited for.
    VsockDevice(virtio::DeviceContext context, std::unique_ptr<VhostVsock> vhost, std::uint32_t cid,
                std::unique_ptr<Reactor> helper);
    VsockDevice(const VsockDevice&) = delete;
    VsockDevice& operator=(const VsockDevice&) = delete;
    VsockDevice(VsockDevice&&) = delete;
    VsockDevice& operator=(VsockDevice&&) = delete;
    ~VsockDevice() override;

    /// Let go of the cid.
    void disconnect() override;

    [[nodiscard]] std::string_view type_name() const override { return "vsock"; }
    [[nodiscard]] std::string backend_name() const override;

  private:
    void do_activate() override;
    void do_resume() override;
    void do_reset() override;
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;
    void do_quiesce() override;
    void do_close() override { do_quiesce(); }

    void watch_all();
    void begin(virtio::Queue::Start start);
    void send_owed();
    void take_interrupt(std::size_t ring);
    void take_error(std::size_t ring);
    void take_rings_back(const Result<std::array<std::uint16_t, vhost_rings>>& next);

    /// What is remembered of the driver.
    struct State {
        Watched<std::uint8_t> owes_event; ///< it has not been told yet that no connection is left
    };

    State& state_;
    const std::uint32_t cid_;
    std::unique_ptr<VhostVsock> vhost_; ///< its calls on the helper, its events on the owner
    bool is_connected_ = true;
    enum class Served { no, yes, ending };
    Served served_ = Served::no; ///< by the kernel, from when it was told to until it has stopped
    std::unique_ptr<Reactor> helper_;
};

} // namespace hvisor::devices::vsock
