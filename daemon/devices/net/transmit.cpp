// SPDX-License-Identifier: Apache-2.0
#include "devices/net/transmit.hpp"

#include <cerrno>
#include <cstring>
#include <span>
#include <sys/uio.h>
#include <unistd.h>

namespace hvisor::devices::net {

namespace {

/// Up to here, with its header, a frame is copied: a system call with two pieces
/// costs more than copying one of an Ethernet's usual MTU.
constexpr std::size_t max_copy = 2048;

} // namespace

Transmitter::Transmitter() : start_(max_copy) {}

Transmitter::Result Transmitter::send(int fd, const virtio::Chain& chain, const Offloads& negotiated) {
    const auto dropped = [](Drop drop) { return Result{.is_blocked = false, .drop = drop}; };
    auto reader = chain.reader();
    if (chain.writer().remaining() != 0) {
        return dropped(Drop::writable);
    }
    const auto length = reader.remaining();
    FrameStart start{};
    if (length < sizeof start) {
        return dropped(Drop::too_short);
    }
    const auto copied = length <= start_.size() ? length : sizeof start;
    reader.read(std::span(start_).first(copied));
    std::memcpy(&start, start_.data(), sizeof start);
    const auto frame = length - sizeof(Header);
    if (const auto drop = check_header(start.header, frame, negotiated)) {
        return dropped(*drop);
    }
    std::memcpy(start_.data(), &start.header, sizeof start.header);
    pieces_.clear();
    pieces_.push_back({.iov_base = start_.data(), .iov_len = copied});
    reader.peek(reader.remaining(), pieces_);
    if (pieces_.size() > UIO_MAXIOV) {
        return dropped(Drop::pieces);
    }
    ssize_t count = 0;
    do {
        count = pieces_.size() == 1 ? ::write(fd, start_.data(), copied)
                                    : ::writev(fd, pieces_.data(), static_cast<int>(pieces_.size()));
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? Result{.is_blocked = true, .drop = {}} : dropped(Drop::refused);
    }
    return {.is_blocked = false, .drop = {}, .bytes = frame, .source = start.ethernet.source};
}

} // namespace hvisor::devices::net
