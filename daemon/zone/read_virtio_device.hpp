// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/virtio_config.hpp"

#include <string>
#include <vector>

namespace hvisor::zone {

/// Read an array of virtio devices, as it stands in a virtio JSON and in a one-file
/// zone. Returns the pointers of those that are disabled, which are not among `devices`.
std::vector<std::string> read_virtio_devices(const ConfigReader& array, std::vector<VirtioDevice>& devices);

/// One device by itself, as it stands in a one-file zone.
struct DeviceFile {
    JsonDocument document;
    VirtioDevice device;
};

/// Read the text of one device. The error holds every problem found, a line each.
[[nodiscard]] Result<DeviceFile> read_virtio_device(const ConfigText& text);

} // namespace hvisor::zone
