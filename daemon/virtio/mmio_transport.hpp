// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/device.hpp"
#include "virtio/registers.hpp"

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hvisor::virtio {

/// One access of a driver to a device's window.
struct RegisterAccess {
    std::uint64_t offset = 0; ///< in the window
    std::uint64_t value = 0;  ///< of a write, masked to `size`
    std::uint32_t cpu = 0;    ///< who waits for the answer
    std::uint8_t size = 0;    ///< 1, 2, 4 or 8
    bool is_write = false;
    bool needs_answer = false;
};

/// The virtio-mmio register file, version 2 (virtio 1.2, 4.2), of one device.
///
/// access() runs on TrapLoop and never blocks. What a driver writes is kept as
/// written and judged where it takes effect: features at FEATURES_OK, a queue
/// at QueueReady, from when on its registers are frozen.
class MmioTransport {
  public:
    /// With the registers of the device's record.
    explicit MmioTransport(Device& device);

    /// The value of a read, zero-extended from the access size, or 0 for a
    /// write. Nothing: the answer comes by GuestPort::answer(), because the
    /// driver stops a queue and a request in it is still in flight. The virtio
    /// drivers of Linux do not poll for the end of a reset.
    [[nodiscard]] std::optional<std::uint64_t> access(const RegisterAccess& access);

    /// Go on with a driver that another object has served, if one has: see
    /// Device::resume(). What that one still owed an answer is done, and the
    /// answer is the caller's to give: 0.
    void resume();

    // For people who look at the device; any thread.
    [[nodiscard]] std::uint32_t status() const;
    [[nodiscard]] std::uint16_t queue_size(std::size_t queue) const;
    [[nodiscard]] bool queue_ready(std::size_t queue) const;
    [[nodiscard]] std::string last_register() const;
    [[nodiscard]] std::uint64_t accesses() const { return accesses_.get(); }

  private:
    using Answer = std::optional<std::uint64_t>;

    [[nodiscard]] std::uint64_t read_config(const RegisterAccess& access) const;
    void write_config(const RegisterAccess& access) const;
    [[nodiscard]] std::uint32_t read(Register which) const;
    [[nodiscard]] Answer write(Register which, const RegisterAccess& access);
    [[nodiscard]] Answer write_status(std::uint32_t value, const RegisterAccess& access);
    [[nodiscard]] Answer write_queue_ready(std::uint32_t value, const RegisterAccess& access);
    [[nodiscard]] Answer write_queue_reset(std::uint32_t value, const RegisterAccess& access);
    void write_queue(Register which, std::uint32_t value);
    void write_driver_features(std::uint32_t value);
    [[nodiscard]] bool accept_features();
    [[nodiscard]] bool negotiated(FeatureBit bit) const;
    [[nodiscard]] Answer reset(const RegisterAccess& access);
    [[nodiscard]] Answer stop_selected_queue(const RegisterAccess& access, DriverWait wait);
    /// Answer once the device has let go, which `stop` asks it to.
    [[nodiscard]] Answer when_stopped(const RegisterAccess& access,
                                      const std::function<bool(std::function<void()>)>& stop);
    void begin_wait(DriverWait wait, std::uint32_t queue);
    /// Put the end of what the driver waits for into the registers.
    void end_wait();
    /// As after a reset, but for the status.
    void clear_registers();
    void clear_queue(std::size_t queue);
    /// The device lets go of queues. Until then writes that set something up
    /// are ignored: the driver has been told nothing yet.
    [[nodiscard]] bool is_stopping() const { return load_acquire(device_.record().wait) != 0; }
    void make_queue_ready(QueueRegisters& queue);
    /// Where the registers of this queue say that it is, or what is wrong with that.
    [[nodiscard]] std::expected<QueueLayout, std::string_view> layout_of(std::size_t queue) const;
    /// The queue that QueueSel names, or null.
    [[nodiscard]] const QueueRegisters* selected() const;
    [[nodiscard]] QueueRegisters* selected();

    Device& device_;
    RegisterFile& registers_;
    std::array<std::optional<QueueLayout>, max_queues> layouts_; ///< of the queues that are ready

    Watched<std::uint32_t> last_offset_{UINT32_MAX};
    Watched<std::uint64_t> accesses_;
};

} // namespace hvisor::virtio
