// SPDX-License-Identifier: Apache-2.0
#include "render/link.hpp"

#include <sys/uio.h>

namespace hvisor::render {

Sent Link::send(std::span<const std::byte> message, int file) {
    // It is only read.
    const iovec part{.iov_base = const_cast<std::byte*>(message.data()), .iov_len = message.size()};
    return send_packet(socket_.get(), {&part, 1}, file);
}

std::variant<Received, Nothing, Gone> Link::receive() {
    return receive_message<Received>(socket_.get(), buffer_);
}

} // namespace hvisor::render
