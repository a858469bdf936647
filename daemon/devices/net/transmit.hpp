// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/uring.hpp"
#include "devices/net/backend.hpp"
#include "devices/net/config.hpp"
#include "devices/net/frame_check.hpp"
#include "devices/net/offloads.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <sys/uio.h>
#include <utility>
#include <vector>

namespace hvisor::devices::net {

/// Sends the frames of chains, small ones many at once, in the order they were
/// added. What is judged before, the frame's beginning, is copied out once, and
/// the copy is what the kernel gets; so is the rest of a small frame. That of a
/// large one goes straight from guest memory.
///
/// All on the thread that owns the queues. Nothing is in flight between two calls.
class Transmitter {
  public:
    /// What became of one frame.
    struct Sent {
        std::optional<Drop> drop;
        std::size_t bytes = 0; ///< of the frame, without its header
        Mac source{};
    };

    Transmitter();

    /// Take one more frame; not when full.
    void add(virtio::Chain chain, const Offloads& negotiated);
    [[nodiscard]] bool is_empty() const { return frames_.empty(); }
    /// To be sent before more are added.
    [[nodiscard]] bool is_full() const { return frames_.size() == max_frames || !pieces_.empty(); }

    /// Send all that was added: note(Sent) for each, and its chain is back.
    /// False: the backend takes no more for now, and the frames that it did not
    /// take wait in the driver's queue as before.
    template <class Note>
    [[nodiscard]] bool send(const Backend& backend, std::size_t pair, Note note) {
        const auto count = write_out(backend, pair);
        for (std::size_t i = 0; i < count; ++i) {
            note(std::as_const(frames_[i].sent));
            frames_[i].chain.complete();
        }
        const bool are_all = count == frames_.size();
        while (frames_.size() > count) {
            frames_.back().chain.put_back();
            frames_.pop_back();
        }
        frames_.clear();
        pieces_.clear();
        return are_all;
    }

    /// Nothing of what was added is sent; the chains are back.
    void discard();

    /// Let go of the backend.
    void close();

  private:
    struct Frame {
        virtio::Chain chain;
        Sent sent;
        std::size_t copied = 0;                            ///< bytes, header and all
        std::optional<std::int64_t> result = std::nullopt; ///< of its write: bytes, or a negative errno
    };

    [[nodiscard]] std::optional<Drop> judge(Frame& frame, std::byte* copy, const Offloads& negotiated);
    [[nodiscard]] std::byte* copy_of(std::size_t frame) const { return copies_.get() + frame * max_copy; }
    /// How many frames are done with: sent or dropped.
    [[nodiscard]] std::size_t write_out(const Backend& backend, std::size_t pair);
    void write_linked(const Backend& backend, std::size_t pair);
    [[nodiscard]] std::int64_t write_one(int fd, std::size_t frame);

    /// Up to here, with its header, a frame is copied: a system call with two
    /// pieces costs more than copying one of an Ethernet's usual MTU.
    static constexpr std::size_t max_copy = 2048;
    /// Sent at once: a guest's register accesses wait meanwhile, about a microsecond a frame.
    static constexpr std::size_t max_frames = 32;

    std::vector<Frame> frames_;
    std::unique_ptr<std::byte[]> copies_; ///< of frames, or of their beginnings; one slot each
    std::vector<iovec> pieces_;           ///< of the last frame, when that is a large one
    std::unique_ptr<Uring> ring_;         ///< null until it is needed, and where the kernel has none
    bool has_tried_ring_ = false;
};

} // namespace hvisor::devices::net
