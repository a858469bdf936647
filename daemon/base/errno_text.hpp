// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace hvisor {

/// "No such file or directory" and the like, for messages.
[[nodiscard]] inline std::string errno_text(int error = errno) {
    return std::generic_category().message(error);
}

} // namespace hvisor
