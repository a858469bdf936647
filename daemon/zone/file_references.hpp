// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/config_text.hpp"

#include <string>
#include <vector>

namespace hvisor::zone {

/// A file that a configuration names.
struct FileReference {
    std::string path;      ///< exactly as it is written in the configuration
    bool writable = false; ///< the daemon writes to it (a disk)
    std::string pointer;   ///< JSON pointer of the path
    std::string location;  ///< "FILE:LINE:COLUMN: /json/pointer", to begin a message with
};

/// The files named by a zone JSON or a virtio JSON, in order; a path that is
/// written twice appears once, writable if any of its uses is.
[[nodiscard]] Result<std::vector<FileReference>> referenced_files(const ConfigText& config);

/// The same of the text of one device.
[[nodiscard]] Result<std::vector<FileReference>> files_of_device(const ConfigText& config);

} // namespace hvisor::zone
