// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <string>

namespace hvisor::zone {

/// The first line of an open file, 1 to 8 characters: what VNC's own
/// authentication takes. The file must not be for everybody to read. `path` names it in errors.
[[nodiscard]] Result<std::string> read_vnc_password(int fd, const std::string& path);

} // namespace hvisor::zone
