// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace hvisor::devices::gpu {

/// A connection to a program beside the daemon, at its SOCK_SEQPACKET socket, that does
/// not block. Errors begin with the path.
[[nodiscard]] Result<UniqueFd> connect_helper(const std::filesystem::path& path);

/// Text from another process as one line that can go into a log.
[[nodiscard]] std::string plain_line(std::string_view text);

} // namespace hvisor::devices::gpu
