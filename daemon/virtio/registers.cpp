// SPDX-License-Identifier: Apache-2.0
#include "virtio/registers.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <string_view>
#include <utility>

namespace hvisor::virtio {
namespace {

constexpr std::array<std::pair<Register, std::string_view>, 29> names{{
    {Register::magic_value, "MagicValue"},
    {Register::version, "Version"},
    {Register::device_id, "DeviceID"},
    {Register::vendor_id, "VendorID"},
    {Register::device_features, "DeviceFeatures"},
    {Register::device_features_sel, "DeviceFeaturesSel"},
    {Register::driver_features, "DriverFeatures"},
    {Register::driver_features_sel, "DriverFeaturesSel"},
    {Register::queue_sel, "QueueSel"},
    {Register::queue_num_max, "QueueNumMax"},
    {Register::queue_num, "QueueNum"},
    {Register::queue_ready, "QueueReady"},
    {Register::queue_notify, "QueueNotify"},
    {Register::interrupt_status, "InterruptStatus"},
    {Register::interrupt_ack, "InterruptACK"},
    {Register::status, "Status"},
    {Register::queue_desc_low, "QueueDescLow"},
    {Register::queue_desc_high, "QueueDescHigh"},
    {Register::queue_driver_low, "QueueDriverLow"},
    {Register::queue_driver_high, "QueueDriverHigh"},
    {Register::queue_device_low, "QueueDeviceLow"},
    {Register::queue_device_high, "QueueDeviceHigh"},
    {Register::shm_sel, "SHMSel"},
    {Register::shm_len_low, "SHMLenLow"},
    {Register::shm_len_high, "SHMLenHigh"},
    {Register::shm_base_low, "SHMBaseLow"},
    {Register::shm_base_high, "SHMBaseHigh"},
    {Register::queue_reset, "QueueReset"},
    {Register::config_generation, "ConfigGeneration"},
}};

} // namespace

std::string register_name(std::uint32_t offset) {
    const auto config = std::to_underlying(Register::config);
    if (offset >= config) {
        return std::format("Config+{:#x}", offset - config);
    }
    const auto* const found =
        std::ranges::find(names, static_cast<Register>(offset), &decltype(names)::value_type::first);
    return found != names.end() ? std::string(found->second) : std::format("{:#x}", offset);
}

// Field by field: others may look at the watched ones meanwhile.
void QueueRegisters::clear() {
    size.set(0);
    ready.set(0);
    resetting.set(0);
    descriptors = 0;
    driver = 0;
    device = 0;
}

void RegisterFile::clear_but_status() {
    device_features_sel = 0;
    driver_features_sel = 0;
    driver_features = 0;
    queue_sel = 0;
    for (auto& queue : queues) {
        queue.clear();
    }
}

} // namespace hvisor::virtio
