// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_text.hpp"

#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// What can be said of configuration files without a machine.
struct FilesReport {
    std::vector<std::string> problems; ///< one or more lines each
    std::vector<std::string> warnings;
    std::vector<std::string> left_out; ///< what was not looked at, and why
    std::vector<std::string> zones;    ///< names of those that were read
};

/// Check zone JSONs of both forms and virtio JSONs as what would run at the
/// same time: each zone in itself, with its devices, its images and its device
/// tree, and with the other zones. Files are opened where their paths say, and only read.
[[nodiscard]] FilesReport check_files(std::span<const ConfigText> files);

} // namespace hvisor::zone
