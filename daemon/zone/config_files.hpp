// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/config_text.hpp"
#include "zone/zone_file.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// The files of a configured zone.
struct ConfigFiles {
    ConfigText zone;
    ConfigText virtio;                ///< its text is empty where there is no such file
    std::vector<ConfigText> drop_ins; ///< in the order in which they change the zone's file
};

/// Read NAME.json, and NAME.virtio.json beside it, from the first of
/// `directories` that has the former, and NAME.json.d/*.json from all of them,
/// ordered by their names; one in an earlier directory hides one of the same name in a later.
[[nodiscard]] Result<ConfigFiles> find_config(std::span<const std::filesystem::path> directories,
                                              const std::string& name);

/// The zone's file with the drop-ins merged into it (RFC 7386). Only the
/// one-file form takes drop-ins, because upstream's leaves open which of two keys counts.
[[nodiscard]] Result<JsonDocument> merge_config(const ConfigFiles& files);

/// Whether NAME.json can be the file of a zone: it must not lead out of the directories.
[[nodiscard]] bool is_config_name(const std::string& name);

/// Where the zones of a machine are configured; the first wins.
[[nodiscard]] std::vector<std::filesystem::path> config_directories();

} // namespace hvisor::zone
