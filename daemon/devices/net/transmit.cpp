// SPDX-License-Identifier: Apache-2.0
#include "devices/net/transmit.hpp"

#include <cerrno>
#include <span>
#include <sys/uio.h>

namespace hvisor::devices::net {

Transmitter::Result Transmitter::send(int fd, const virtio::Chain& chain, const Offloads& negotiated) {
    const auto dropped = [](Drop drop) { return Result{.is_blocked = false, .drop = drop}; };
    auto reader = chain.reader();
    if (chain.writer().remaining() != 0) {
        return dropped(Drop::writable);
    }
    const auto length = reader.remaining();
    if (length < sizeof start_) {
        return dropped(Drop::too_short);
    }
    reader.read(std::as_writable_bytes(std::span(&start_, 1)));
    const auto frame = length - sizeof(Header);
    if (const auto drop = check_header(start_.header, frame, negotiated)) {
        return dropped(*drop);
    }
    pieces_.clear();
    pieces_.push_back({.iov_base = &start_, .iov_len = sizeof start_});
    reader.peek(reader.remaining(), pieces_);
    if (pieces_.size() > UIO_MAXIOV) {
        return dropped(Drop::pieces);
    }
    ssize_t count = 0;
    do {
        count = ::writev(fd, pieces_.data(), static_cast<int>(pieces_.size()));
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? Result{.is_blocked = true, .drop = {}} : dropped(Drop::refused);
    }
    return {.is_blocked = false, .drop = {}, .bytes = frame, .source = start_.ethernet.source};
}

} // namespace hvisor::devices::net
