// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace hvisor::viewer {

/// An Internet address and port to listen at.
struct InternetAddress {
    sockaddr_storage address{};
    socklen_t length = 0;
    bool is_loopback = false;
};

/// "127.0.0.1:5900" or "[::1]:5900"; nothing for anything else: no names, because
/// whoever listens asks no name server, and no port 0.
[[nodiscard]] std::optional<InternetAddress> parse_internet_address(std::string_view text);

} // namespace hvisor::viewer
