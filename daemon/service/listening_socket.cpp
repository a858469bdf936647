// SPDX-License-Identifier: Apache-2.0
#include "service/listening_socket.hpp"

#include "base/errno_text.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

namespace hvisor::service {

Result<std::optional<ListeningSocket>> ListeningSocket::open(const std::string& path, UniqueFd passed) {
    if (passed) {
        return check(std::move(passed));
    }
    if (path.empty()) {
        return std::nullopt;
    }
    auto listener = UnixListener::open(path);
    if (!listener) {
        return std::unexpected(std::move(listener).error().with_context("--listen"));
    }
    return ListeningSocket(std::move(*listener));
}

int ListeningSocket::fd() const {
    const auto* passed = std::get_if<UniqueFd>(&socket_);
    return passed != nullptr ? passed->get() : std::get<UnixListener>(socket_).fd();
}

Result<ListeningSocket> ListeningSocket::check(UniqueFd passed) {
    const int fd = passed.get();
    ListeningSocket socket{std::move(passed)};
    if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0) {
        return fail(ErrorCode::invalid_config,
                    "the service manager passed something that is no listening Unix stream socket: "
                    "hvisord.socket needs one ListenStream= with a path");
    }
    if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return fail(ErrorCode::io_error, "the service manager's socket: {}", errno_text());
    }
    return socket;
}

} // namespace hvisor::service
