// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

namespace hvisor {

/// The address of a Unix socket at this path; an error, which begins with it, when no
/// address has room for it (unix(7)).
[[nodiscard]] inline Result<sockaddr_un> unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail(ErrorCode::invalid_config, "{}: a socket's path has at most {} bytes", path,
                    sizeof address.sun_path - 1);
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

} // namespace hvisor
