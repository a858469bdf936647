// SPDX-License-Identifier: Apache-2.0
#include "viewer/link.hpp"

#include <sys/uio.h>

namespace hvisor::viewer {

Sent Link::send(Kind kind, std::span<const std::byte> payload, int file) {
    const std::array parts{
        iovec{.iov_base = &kind, .iov_len = sizeof kind},
        // It is only read.
        iovec{.iov_base = const_cast<std::byte*>(payload.data()), .iov_len = payload.size()}};
    return send_packet(socket_.get(), parts, file);
}

std::variant<Received, Nothing, Gone> Link::receive() {
    return receive_message<Received>(socket_.get(), buffer_);
}

} // namespace hvisor::viewer
