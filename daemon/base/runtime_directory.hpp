// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace hvisor {

/// Where sockets are: $RUNTIME_DIRECTORY, which the service manager sets
/// (systemd.exec(5)), or /run/hvisor. Asked before any other thread runs, and kept.
[[nodiscard]] const std::filesystem::path& runtime_directory();

} // namespace hvisor
