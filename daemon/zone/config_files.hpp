// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/config_text.hpp"

#include <filesystem>
#include <span>
#include <string>

namespace hvisor::zone {

/// The two files of a configured zone; the virtio text is empty where there is no such file.
struct ConfigFiles {
    ConfigText zone;
    ConfigText virtio;
};

/// Read NAME.json, and NAME.virtio.json beside it, from the first of `directories` that has the former.
[[nodiscard]] Result<ConfigFiles> find_config(std::span<const std::filesystem::path> directories,
                                              const std::string& name);

} // namespace hvisor::zone
