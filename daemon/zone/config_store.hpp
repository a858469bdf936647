// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <filesystem>
#include <span>
#include <string>

namespace hvisor::zone {

/// The text of an open file, from its start, wherever somebody has read it to.
/// It must be a regular one of at most 1 MiB.
[[nodiscard]] Result<std::string> read_config_file(int fd);

/// How to keep a configuration.
struct StoreOptions {
    bool runtime = false; ///< until the next boot, in a folder below /run
    bool replace = false; ///< one that is there already
};

/// Keep `text` as the configuration of zone `name`, see find_config(): in the
/// first directory, or in the first below /run. The file is there whole or not
/// at all, also after a power cut. Returns its path.
///
/// `invalid_config` when the name or the text is not right: it must be of the
/// one-file form and without a problem that can be seen without the machine;
/// `zone_exists` when there is one and it is not to be replaced.
[[nodiscard]] Result<std::filesystem::path> define_config(std::span<const std::filesystem::path> directories,
                                                          const std::string& name, const std::string& text,
                                                          const StoreOptions& options);

/// Remove the configuration of zone `name`, and the virtio JSON beside it.
/// `no_such_zone` when there is none; `wrong_state` when it has drop-ins, which
/// belong to whoever has written them, or is below /usr, where packages are.
[[nodiscard]] Result<void> undefine_config(std::span<const std::filesystem::path> directories,
                                           const std::string& name);

} // namespace hvisor::zone
