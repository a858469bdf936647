// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"
#include "zone/config_text.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <filesystem>
#include <map>
#include <string>

namespace hvisor::cli {

/// A configuration file with the files it names, opened by whoever runs
/// hvisorctl: the caller's own rights decide what a zone may use.
struct OpenedConfig {
    std::string name; ///< the path as the user gave it
    std::string text;
    std::map<std::string, sdbus::UnixFd> files; ///< by the path as `text` writes it
};

/// Whether an argument is the path of a configuration file, and not the name of a configured zone.
[[nodiscard]] bool names_a_file(const std::string& argument);

/// Read a configuration file; its name is the path as it is given.
[[nodiscard]] Outcome<zone::ConfigText> read_config(const std::filesystem::path& path);

/// Open what a zone or virtio configuration names, relative paths from the
/// folder of the configuration file.
[[nodiscard]] Outcome<OpenedConfig> open_files(const zone::ConfigText& text);

/// The same of what the text of one device names.
[[nodiscard]] Outcome<OpenedConfig> open_device_files(const zone::ConfigText& text);

/// Open an image for a disk.
[[nodiscard]] Outcome<sdbus::UnixFd> open_disk(const std::filesystem::path& path, bool read_only);

/// read_config() and open_files().
[[nodiscard]] Outcome<OpenedConfig> open_config(const std::filesystem::path& path);

/// Put the files of two configurations, which one call carries, into one table.
[[nodiscard]] Outcome<std::map<std::string, sdbus::UnixFd>> merge_files(OpenedConfig& zone,
                                                                        OpenedConfig& virtio);

} // namespace hvisor::cli
