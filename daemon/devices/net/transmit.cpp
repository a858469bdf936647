// SPDX-License-Identifier: Apache-2.0
#include "devices/net/transmit.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <sys/uio.h>
#include <unistd.h>

namespace hvisor::devices::net {

namespace {

/// Fewer are written one by one.
constexpr std::ptrdiff_t min_linked = 4;

} // namespace

Transmitter::Transmitter() : copies_(std::make_unique_for_overwrite<std::byte[]>(max_frames * max_copy)) {
    frames_.reserve(max_frames);
}

void Transmitter::add(virtio::Chain chain, const Offloads& negotiated) {
    auto& frame = frames_.emplace_back(std::move(chain), Sent{});
    frame.sent.drop = judge(frame, copy_of(frames_.size() - 1), negotiated);
}

std::optional<Drop> Transmitter::judge(Frame& frame, std::byte* copy, const Offloads& negotiated) {
    auto reader = frame.chain.reader();
    if (frame.chain.writer().remaining() != 0) {
        return Drop::writable;
    }
    const auto length = reader.remaining();
    FrameStart start{};
    if (length < sizeof start) {
        return Drop::too_short;
    }
    frame.copied = length <= max_copy ? length : sizeof start;
    reader.read(std::span(copy, frame.copied));
    std::memcpy(&start, copy, sizeof start);
    frame.sent.bytes = length - sizeof(Header);
    frame.sent.source = start.ethernet.source;
    if (const auto drop = check_header(start.header, frame.sent.bytes, negotiated)) {
        return drop;
    }
    std::memcpy(copy, &start.header, sizeof start.header);
    if (reader.remaining() == 0) {
        return std::nullopt;
    }
    pieces_.push_back({.iov_base = copy, .iov_len = frame.copied});
    reader.peek(reader.remaining(), pieces_);
    if (pieces_.size() > UIO_MAXIOV) {
        pieces_.clear();
        return Drop::pieces;
    }
    return std::nullopt;
}

std::size_t Transmitter::write_out(const Backend& backend, std::size_t pair) {
    const auto is_small = [this](const Frame& frame) {
        return !frame.sent.drop && (pieces_.empty() || &frame != &frames_.back());
    };
    if (std::ranges::count_if(frames_, is_small) >= min_linked) {
        write_linked(backend, pair);
    }
    const int fd = backend.fd(pair);
    for (std::size_t i = 0; i < frames_.size(); ++i) {
        auto& frame = frames_[i];
        if (frame.sent.drop) {
            continue;
        }
        const auto result = frame.result ? *frame.result : write_one(fd, i);
        if (result == -EAGAIN) {
            return i;
        }
        if (result < 0) {
            frame.sent.drop = Drop::refused;
        }
    }
    return frames_.size();
}

std::int64_t Transmitter::write_one(int fd, std::size_t frame) {
    const bool is_large = !pieces_.empty() && frame == frames_.size() - 1;
    ssize_t count = 0;
    do {
        count = is_large ? ::writev(fd, pieces_.data(), static_cast<int>(pieces_.size()))
                         : ::write(fd, copy_of(frame), frames_[frame].copied);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

/// All small frames with one system call. Each write is linked to the one
/// before, so that no frame passes one that the backend did not take: after that
/// one all others are cancelled, and have no result here. None may wait
/// (RWF_NOWAIT; to io_uring O_NONBLOCK does not mean that), so all that was begun
/// is done when the call returns.
void Transmitter::write_linked(const Backend& backend, std::size_t pair) {
    if (!std::exchange(has_tried_ring_, true)) {
        std::vector<int> files(backend.pairs());
        for (std::size_t i = 0; i < files.size(); ++i) {
            files[i] = backend.fd(i);
        }
        ring_ = Uring::create(max_frames, max_frames, files);
    }
    if (!ring_) {
        return;
    }
    auto* ring = ring_->get();
    io_uring_sqe* last = nullptr;
    unsigned wanted = 0;
    const auto small = frames_.size() - (pieces_.empty() ? 0 : 1);
    for (std::size_t i = 0; i < small; ++i) {
        if (frames_[i].sent.drop) {
            continue;
        }
        last = io_uring_get_sqe(ring);
        io_uring_prep_write(last, static_cast<int>(pair), copy_of(i),
                            static_cast<unsigned>(frames_[i].copied), 0);
        last->rw_flags = RWF_NOWAIT;
        io_uring_sqe_set_flags(last, IOSQE_FIXED_FILE | IOSQE_IO_LINK);
        io_uring_sqe_set_data64(last, i);
        ++wanted;
    }
    io_uring_sqe_set_flags(last, IOSQE_FIXED_FILE); // the end of the chain
    const int submitted = io_uring_submit_and_wait(ring, wanted);
    const auto begun = static_cast<unsigned>(std::max(submitted, 0));
    io_uring_cqe* done = nullptr;
    // A signal may have ended the wait.
    while (io_uring_cq_ready(ring) < begun) {
        static_cast<void>(io_uring_wait_cqe_nr(ring, &done, begun));
    }
    for (unsigned i = 0; i < begun; ++i) {
        if (io_uring_peek_cqe(ring, &done) == 0 && done->res != -ECANCELED && done->res != -EINTR) {
            frames_.at(io_uring_cqe_get_data64(done)).result = done->res;
        }
        io_uring_cqe_seen(ring, done);
    }
    if (begun != wanted) {
        // The kernel is short of something. What it left in the ring must not
        // come behind what goes without the ring.
        ring_.reset();
    }
}

void Transmitter::discard() {
    for (Frame& frame : frames_) {
        frame.chain.complete();
    }
    frames_.clear();
    pieces_.clear();
}

void Transmitter::close() {
    if (ring_) {
        ring_->release_files();
        ring_.reset();
    }
}

} // namespace hvisor::devices::net
