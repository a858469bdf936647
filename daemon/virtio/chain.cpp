// SPDX-License-Identifier: Apache-2.0
#include "virtio/chain.hpp"

#include "virtio/queue.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::virtio {

BufferCursor::BufferCursor(std::span<const guest::GuestSpan> buffers) : buffers_(buffers) {
    for (const auto& buffer : buffers) {
        remaining_ += buffer.size();
    }
}

void BufferCursor::peek(std::size_t length, std::vector<iovec>& pieces) const {
    auto offset = offset_;
    for (const auto& buffer : buffers_) {
        if (length == 0) {
            return;
        }
        const auto piece = buffer.part(offset, length);
        pieces.push_back(piece.to_iovec());
        length -= piece.size();
        offset = 0;
    }
}

void BufferCursor::skip(std::size_t length) {
    advance(length, [](const guest::GuestSpan&, std::size_t) {});
}

void BufferCursor::move_on(std::size_t length) {
    offset_ += length;
    remaining_ -= length;
    if (offset_ == buffers_.front().size()) {
        buffers_ = buffers_.subspan(1);
        offset_ = 0;
    }
}

std::size_t Reader::read(std::span<std::byte> to) {
    return advance(to.size(), [to](const guest::GuestSpan& piece, std::size_t done) {
        piece.read(0, to.subspan(done, piece.size()));
    });
}

std::size_t Writer::write(std::span<const std::byte> from) {
    return advance(from.size(), [from](const guest::GuestSpan& piece, std::size_t done) {
        piece.write(0, from.subspan(done, piece.size()));
    });
}

std::size_t Writer::fill_zero(std::size_t length) {
    static constexpr std::array<std::byte, 4096> zeros{};
    std::size_t done = 0;
    while (done < length && remaining() != 0) {
        done += write(std::span(zeros).first(std::min(length - done, zeros.size())));
    }
    return done;
}

Chain::Chain(Queue& queue, const ChainTicket& ticket, ChainBuffers buffers)
    : queue_(&queue), ticket_(ticket), buffers_(std::move(buffers)) {}

Chain::Chain(Chain&& other) noexcept
    : queue_(std::exchange(other.queue_, nullptr)),
      ticket_(other.ticket_),
      written_(other.written_),
      buffers_(std::move(other.buffers_)) {}

Chain& Chain::operator=(Chain&& other) noexcept {
    if (this != &other) {
        complete();
        queue_ = std::exchange(other.queue_, nullptr);
        ticket_ = other.ticket_;
        written_ = other.written_;
        buffers_ = std::move(other.buffers_);
    }
    return *this;
}

Chain::~Chain() {
    complete();
}

void Chain::complete() {
    if (auto* queue = std::exchange(queue_, nullptr)) {
        queue->give_back(ticket_, written_, std::move(buffers_));
    }
}

void Chain::put_back() {
    if (auto* queue = std::exchange(queue_, nullptr)) {
        queue->undo_pop(ticket_, std::move(buffers_));
    }
}

} // namespace hvisor::virtio
