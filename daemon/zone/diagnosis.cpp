// SPDX-License-Identifier: Apache-2.0
#include "zone/diagnosis.hpp"

#include <algorithm>
#include <format>
#include <map>
#include <string_view>

namespace hvisor::zone {
namespace {

/// A guest that boots is given this long before anybody complains.
constexpr std::chrono::seconds boot_time{10};

/// A driver acknowledges within microseconds; a lost interrupt is repeated
/// within 64 ms. What is open after this long does not arrive at all.
constexpr std::chrono::seconds acknowledge_time{2};

/// Device status bits (virtio 1.2, 2.1).
constexpr std::uint32_t acknowledge = 1;
constexpr std::uint32_t driver = 2;
constexpr std::uint32_t driver_ok = 4;
constexpr std::uint32_t features_ok = 8;
constexpr std::uint32_t device_needs_reset = 64;
constexpr std::uint32_t failed = 128;

/// What the guest's kernel calls its driver.
std::string_view driver_name(const DeviceState& device) {
    static const std::map<std::string_view, std::string_view> names{
        {"block", "CONFIG_VIRTIO_BLK, virtio_blk"},
        {"console", "CONFIG_VIRTIO_CONSOLE, virtio_console"},
        {"gpu", "CONFIG_DRM_VIRTIO_GPU, virtio_gpu"},
        {"entropy", "CONFIG_HW_RANDOM_VIRTIO, virtio_rng"},
        {"input", "CONFIG_VIRTIO_INPUT, virtio_input"},
        {"net", "CONFIG_VIRTIO_NET, virtio_net"},
        {"vsock", "CONFIG_VIRTIO_VSOCKETS, vmw_vsock_virtio_transport"}};
    return names.at(device.type);
}

std::string interrupt_name(const DiagnosisInput& input, std::uint32_t interrupt) {
    constexpr std::uint32_t first_spi = 32;
    return input.has_gic && interrupt >= first_spi
               ? std::format("{} (SPI {})", interrupt, interrupt - first_spi)
               : std::format("{}", interrupt);
}

std::string untouched(const DiagnosisInput& input, const DeviceState& device, bool is_all) {
    const std::string begin =
        is_all ? std::format("the guest of zone {} has touched none of its devices", input.zone)
               : std::format("the guest has never touched the {} device", device.type);
    return std::format(
        "{}: {}its device tree has no \"virtio,mmio\" node at address {:#x} with size {:#x}, or its kernel "
        "no "
        "virtio_mmio driver (CONFIG_VIRTIO_MMIO)",
        begin,
        is_all ? "either it does not run (look at kernel_load_paddr, entry_point and its console), or " : "",
        device.address, device.length);
}

std::string not_ready(const DiagnosisInput& input, const DeviceState& device) {
    const std::string begin =
        std::format("the guest's driver has not taken the {} device at {:#x} into use (status {:#x}, last "
                    "register {})",
                    device.type, device.address, device.status, device.last_register);
    if ((device.status & features_ok) != 0) {
        return std::format("{}: it stopped while it set up its queues; look at the guest's kernel log, and "
                           "whether interrupt {} "
                           "is the one in its device tree",
                           begin, interrupt_name(input, device.interrupt));
    }
    if ((device.status & driver) != 0) {
        return std::format("{}: it did not accept the device's features; the guest's kernel log says why",
                           begin);
    }
    if ((device.status & acknowledge) != 0) {
        return std::format(
            "{}: the guest has found the device but has no driver for it ({}), or cannot load it", begin,
            driver_name(device));
    }
    return std::format("{}: the guest's kernel looked at the device and left it; its log says why, and its "
                       "node in the device "
                       "tree may lack the interrupt {}",
                       begin, interrupt_name(input, device.interrupt));
}

std::string diagnose_device(const DiagnosisInput& input, const DeviceState& device) {
    if (device.is_stalled) {
        return std::format("{} of the {} device at {:#x} does not answer; the guest waits for it, and the "
                           "root zone's kernel log may say why",
                           device.backend, device.type, device.address);
    }
    if ((device.status & device_needs_reset) != 0) {
        return std::format("the {} device at {:#x} does nothing until the guest's driver resets it ({}); "
                           "restarting the zone helps",
                           device.type, device.address, device.reset_reason);
    }
    if ((device.status & failed) != 0) {
        return std::format("the guest's driver gave up on the {} device at {:#x} (status {:#x}, last "
                           "register {}); the guest's "
                           "kernel log says why",
                           device.type, device.address, device.status, device.last_register);
    }
    // Before the status: a driver may wait for its first interrupt with everything else done.
    if (device.unacknowledged && *device.unacknowledged >= acknowledge_time) {
        return std::format("the guest does not see interrupt {} of the {} device at {:#x}, sent {} times and "
                           "not acknowledged for "
                           "{} s: its device tree names another interrupt for this address, or masks it",
                           interrupt_name(input, device.interrupt), device.type, device.address,
                           device.interrupts_sent + device.interrupts_repeated,
                           std::chrono::duration_cast<std::chrono::seconds>(*device.unacknowledged).count());
    }
    if ((device.status & driver_ok) != 0) {
        return {};
    }
    return device.accesses == 0 ? untouched(input, device, false) : not_ready(input, device);
}

} // namespace

std::string diagnose(const DiagnosisInput& input, std::span<const DeviceState> devices) {
    if (input.running < boot_time) {
        return {};
    }
    if (devices.empty()) {
        return input.has_virtio_regions
                   ? std::format("zone {} has regions of the type \"virtio\" and no devices in them: start "
                                 "it together with its "
                                 "virtio configuration (hvisorctl zone start ZONE.json --virtio VIRTIO.json)",
                                 input.zone)
                   : "";
    }
    if (std::ranges::all_of(devices, [](const DeviceState& device) { return device.accesses == 0; })) {
        return untouched(input, devices.front(), true);
    }
    for (const DeviceState& device : devices) {
        if (std::string sentence = diagnose_device(input, device); !sentence.empty()) {
            return sentence;
        }
    }
    return {};
}

} // namespace hvisor::zone
