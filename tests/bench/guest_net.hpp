// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest_queue.hpp"
#include "measure.hpp"
#include "packet_source.hpp"
#include "stack.hpp"

#include <cstdint>

namespace hvisor::bench {

/// Linux's virtio-net driver, one pair of queues: a frame is sent from one
/// buffer with its header, a segment from pages behind it; buffers for
/// receiving are mergeable ones of 1,536 bytes.
class GuestNet {
  public:
    explicit GuestNet(Stack& stack);

    /// Keep `depth` frames on their way.
    [[nodiscard]] Outcome transmit(const Frame& frame, unsigned depth, double seconds);
    /// Receive what the source sends while no buffer is left, over and over;
    /// the time that filling takes does not count.
    [[nodiscard]] Outcome receive(PacketSource& source, double seconds);
    /// Frames that did not arrive, or not in their order.
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

  private:
    void give(std::uint16_t slot);
    /// One frame that came; counts it.
    void take(const GuestQueue::Used& used);
    void kick(GuestQueue& queue, std::uint32_t index);

    static constexpr std::uint16_t queue_size = 256;
    static constexpr std::uint32_t receive_size = 1536;

    Stack& stack_;
    GuestQueue receive_;
    GuestQueue transmit_;
    GuestDevice device_;
    std::uint64_t buffers_; ///< for receiving
    std::uint32_t next_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t lost_ = 0;
};

} // namespace hvisor::bench
