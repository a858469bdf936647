// SPDX-License-Identifier: Apache-2.0
#include "zone/vnc_password.hpp"

#include "base/errno_text.hpp"
#include "viewer/messages.hpp"

#include <array>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace hvisor::zone {

Result<std::string> read_vnc_password(int fd, const std::string& path) {
    struct stat status{};
    std::array<char, 256> text{};
    const auto length = ::fstat(fd, &status) == 0 ? ::pread(fd, text.data(), text.size(), 0) : -1;
    if (length < 0) {
        return fail(ErrorCode::io_error, "{}: {}", path, errno_text());
    }
    if ((status.st_mode & S_IROTH) != 0) {
        return fail(ErrorCode::invalid_config, "{}: everybody can read this password: chmod o-r {}", path,
                    path);
    }
    const std::string_view all(text.data(), static_cast<std::size_t>(length));
    const auto line = all.substr(0, all.find_first_of(std::string_view("\n\0", 2)));
    if (line.empty() || line.size() > viewer::max_password) {
        return fail(ErrorCode::invalid_config,
                    "{}: the first line has {} characters; expected a password of 1 to {}, which is all that "
                    "VNC looks at",
                    path, line.size(), viewer::max_password);
    }
    return std::string(line);
}

} // namespace hvisor::zone
