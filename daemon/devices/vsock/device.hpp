// SPDX-License-Identifier: Apache-2.0
#pragma once

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
/// The event queue is for a device whose connections broke, or whose cid became
/// another, under a running driver (virtio 1.2, 5.10.6.7). Here the cid is the
/// device's for life, and connections break only together with a reset: the
/// buffers of this queue wait there unused.
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
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;
    void do_quiesce() override;
    void do_close() override { do_quiesce(); }

    void watch_all();
    void take_interrupt(std::size_t ring);
    void take_error(std::size_t ring);
    void take_rings_back(const Result<std::array<std::uint16_t, vhost_rings>>& next);

    const std::uint32_t cid_;
    std::unique_ptr<VhostVsock> vhost_; ///< its calls on the helper, its events on the owner
    bool is_connected_ = true;
    enum class Served { no, yes, ending };
    Served served_ = Served::no; ///< by the kernel, from when it was told to until it has stopped
    std::unique_ptr<Reactor> helper_;
};

} // namespace hvisor::devices::vsock
