// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest/guest_span.hpp"
#include "virtio/chain_buffers.hpp"
#include "virtio/ring.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <type_traits>
#include <vector>

namespace hvisor::virtio {

class Queue;

/// A position in a list of buffers; what Reader and Writer have in common.
class BufferCursor {
  public:
    BufferCursor(std::span<const guest::GuestSpan> buffers);

    [[nodiscard]] std::size_t remaining() const { return remaining_; }
    /// Appends the next `length` bytes as pieces for a system call, without moving on.
    void peek(std::size_t length, std::vector<iovec>& pieces) const;
    void skip(std::size_t length);

  protected:
    /// Calls `step(span)` for each piece of the next `length` bytes and moves past them.
    template <class Step>
    std::size_t advance(std::size_t length, Step step) {
        std::size_t done = 0;
        while (done < length && !buffers_.empty()) {
            const auto piece = buffers_.front().part(offset_, length - done);
            step(piece, done);
            done += piece.size();
            move_on(piece.size());
        }
        return done;
    }

  private:
    void move_on(std::size_t length);

    std::span<const guest::GuestSpan> buffers_;
    std::size_t offset_ = 0; ///< in the first buffer
    std::size_t remaining_ = 0;
};

/// Takes bytes out of the device-readable part of a chain, each once.
class Reader : public BufferCursor {
  public:
    using BufferCursor::BufferCursor;

    /// Returns how many bytes there were.
    std::size_t read(std::span<std::byte> to);

    /// A structure of plain bytes, or nothing when the chain is too short.
    template <class T>
        requires std::is_trivially_copyable_v<T>
    [[nodiscard]] std::optional<T> read() {
        if (remaining() < sizeof(T)) {
            return std::nullopt;
        }
        T value;
        read(std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }
};

/// Puts bytes into the device-writable part of a chain and counts them.
class Writer : public BufferCursor {
  public:
    using BufferCursor::BufferCursor;

    /// Returns how many bytes fitted.
    std::size_t write(std::span<const std::byte> from);
    std::size_t fill_zero(std::size_t length);
};

/// What a queue needs to take a chain back: plain data.
struct ChainTicket {
    RingElement element;
    std::size_t order = 0; ///< with IN_ORDER: its place among all chains
    bool is_again = false; ///< popped once more, as it was out when another process stopped
    std::chrono::steady_clock::time_point asked;
};

/// A descriptor chain taken from a queue. It goes back to the queue exactly
/// once: when it is destroyed, or when complete() is called. It must not
/// outlive its queue, and stays on the queue's thread.
class [[nodiscard]] Chain {
  public:
    Chain(Queue& queue, const ChainTicket& ticket, ChainBuffers buffers);
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    Chain(Chain&& other) noexcept;
    Chain& operator=(Chain&& other) noexcept;
    ~Chain();

    /// The parts, each from its beginning; valid as long as the chain.
    [[nodiscard]] Reader reader() const { return {buffers_.readable}; }
    [[nodiscard]] Writer writer() const { return {buffers_.writable}; }

    /// How many bytes from the start of the writable part have been written:
    /// what the driver is told (virtio 1.2, 2.7.8.2).
    void set_written(std::size_t bytes) { written_ = static_cast<std::uint32_t>(bytes); }

    void complete();
    /// Undo the pop: the driver's buffers wait in the queue as before. Only for
    /// the chain that was popped last.
    void put_back();

    /// The driver's name for it: head of a split, buffer id of a packed ring.
    [[nodiscard]] std::uint16_t id() const { return ticket_.element.id; }
    /// Its number among all that the queue has ever taken, which it has again when it is
    /// popped once more: by it a request that was half done is known.
    [[nodiscard]] std::uint64_t order() const { return ticket_.element.order; }

  private:
    Queue* queue_; ///< null once it is back
    ChainTicket ticket_;
    std::uint32_t written_ = 0;
    ChainBuffers buffers_;
};

} // namespace hvisor::virtio
