// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/reactor.hpp"
#include "devices/block/device.hpp"
#include "devices/console/device.hpp"
#include "devices/gpu/device.hpp"
#include "devices/input/device.hpp"
#include "devices/net/device.hpp"
#include "guest/guest_memory.hpp"
#include "hypervisor/trap_loop.hpp"
#include "virtio/device.hpp"
#include "virtio/mmio_transport.hpp"
#include "zone/kept_files.hpp"
#include "zone/zone_devices.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::zone {

class ZoneInputs;

/// The word for a device's type in its id: "block".
[[nodiscard]] std::string_view type_of(const DeviceSettings& settings);

/// What the devices of a zone have in common.
struct SlotContext {
    std::uint32_t zone = 0;
    std::string zone_name;
    std::shared_ptr<const guest::GuestMemory> memory;
    hypervisor::TrapLoop& trap_loop;
    std::shared_ptr<ZoneInputs> inputs; ///< never null
    FdStore& store;
};

/// A register window of a zone and the device in it.
class DeviceSlot {
  public:
    /// Errors name the device by type and address.
    [[nodiscard]] static Result<std::shared_ptr<DeviceSlot>> create(DeviceSettings settings,
                                                                    const SlotContext& context);
    DeviceSlot(const DeviceSlot&) = delete;
    DeviceSlot& operator=(const DeviceSlot&) = delete;
    DeviceSlot(DeviceSlot&&) = delete;
    DeviceSlot& operator=(DeviceSlot&&) = delete;
    /// Closes the device: not on TrapLoop.
    ~DeviceSlot();

    [[nodiscard]] const std::string& id() const { return device_->context().id; }
    [[nodiscard]] std::uint64_t address() const { return address_; }
    [[nodiscard]] std::uint64_t length() const { return length_; }
    [[nodiscard]] std::uint32_t interrupt() const { return device_->context().interrupt; }

    [[nodiscard]] virtio::MmioTransport& transport() { return *transport_; }
    [[nodiscard]] virtio::Device& device() { return *device_; }
    // The device, when it is of that type.
    [[nodiscard]] devices::console::ConsoleDevice* console() const { return console_; }
    [[nodiscard]] devices::block::BlockDevice* block() const { return block_; }
    [[nodiscard]] devices::net::NetDevice* net() const { return net_; }
    [[nodiscard]] devices::gpu::GpuDevice* gpu() const { return gpu_; }
    [[nodiscard]] devices::input::InputDevice* input() const { return input_; }

    /// Any thread.
    [[nodiscard]] DeviceState inspect() const;

    /// By which a process after this one finds the device's files.
    [[nodiscard]] const std::string& key() const { return kept_.key(); }
    /// None will: the zone is gone, and the slot stays for a while.
    void forget() { kept_.forget(); }
    /// See BlockDevice::swap_image(); of a disk.
    [[nodiscard]] Result<std::uint64_t> swap_image(const std::string& path, UniqueFd image);

  private:
    DeviceSlot(const DeviceSettings& settings, FdStore& store)
        : address_(settings.address), length_(settings.length), kept_(store, settings.key) {}
    [[nodiscard]] Result<void> make_device(DeviceSettings settings, virtio::DeviceContext context,
                                           const std::shared_ptr<ZoneInputs>& inputs);
    [[nodiscard]] Result<void> make_vsock(const VsockSettings& settings, virtio::DeviceContext context);
    [[nodiscard]] Result<void> make_gpu(const GpuSettings& settings, virtio::DeviceContext context,
                                        const std::shared_ptr<ZoneInputs>& inputs);
    [[nodiscard]] Result<void> make_input(const InputSettings& settings, virtio::DeviceContext context);
    void make_console(ConsoleSettings settings, virtio::DeviceContext context);
    [[nodiscard]] Result<void> make_net(const NetSettings& settings, virtio::DeviceContext context);
    [[nodiscard]] std::vector<PortState> port_states() const;
    [[nodiscard]] GpuState gpu_state() const;

    const std::uint64_t address_;
    const std::uint64_t length_;
    KeptFiles kept_;
    std::unique_ptr<Reactor> owner_; ///< of the device's own, where it has one
    std::unique_ptr<virtio::Device> device_;
    devices::console::ConsoleDevice* console_ = nullptr;
    devices::block::BlockDevice* block_ = nullptr;
    devices::net::NetDevice* net_ = nullptr;
    devices::gpu::GpuDevice* gpu_ = nullptr;
    devices::input::InputDevice* input_ = nullptr;
    std::uint64_t gpu_memory_ = 0; ///< the limit
    std::unique_ptr<virtio::MmioTransport> transport_;
};

} // namespace hvisor::zone
