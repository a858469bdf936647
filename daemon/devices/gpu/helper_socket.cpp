// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/helper_socket.hpp"

#include "base/errno_text.hpp"
#include "base/unix_address.hpp"

#include <algorithm>
#include <sys/socket.h>

namespace hvisor::devices::gpu {

Result<UniqueFd> connect_helper(const std::filesystem::path& path) {
    const auto address = unix_address(path);
    if (!address) {
        return std::unexpected(address.error());
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        return fail(ErrorCode::io_error, "{}: {}", path.native(), errno_text());
    }
    return socket;
}

std::string plain_line(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(line, [](unsigned char c) { return c < ' ' || c >= 0x7f; }, '?');
    return line;
}

} // namespace hvisor::devices::gpu
