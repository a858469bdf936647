// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "zone/config_reader.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace hvisor::zone {

/// Open files by the path as it is written in the configuration. An empty
/// table with `may_open` lets the daemon open paths itself, relative ones from
/// the folder of the configuration file.
struct FileTable {
    std::map<std::string, UniqueFd> files;
    bool may_open = false;
};

enum class FileUse {
    image,          ///< a regular file that is read once
    disk,           ///< a regular file or block device that is read and written
    read_only_disk, ///< the same, only read
};

/// Whether an open file, called `path`, can be used so; the bytes that a regular file has.
[[nodiscard]] Result<std::uint64_t> check_file(int fd, const std::string& path, FileUse use);

/// A file that a configuration names.
struct OpenFile {
    UniqueFd fd;
    std::uint64_t size = 0; ///< of a regular file
};

/// The file called `path` in `document`, at `pointer`; what is in the table is
/// duplicated, so that the table serves again. A failure is added to `problems`.
[[nodiscard]] std::optional<OpenFile> open_file(const FileTable& table, const JsonDocument& document,
                                                const std::string& path, const std::string& pointer,
                                                FileUse use, Problems& problems);

} // namespace hvisor::zone
