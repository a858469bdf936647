// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest/guest_memory.hpp"
#include "virtio/chain.hpp"
#include "virtio/features.hpp"
#include "virtio/packed_ring.hpp"
#include "virtio/queue_layout.hpp"
#include "virtio/queue_metrics.hpp"
#include "virtio/ring.hpp"
#include "virtio/split_ring.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <variant>
#include <vector>

namespace hvisor::virtio {

/// What a device remembers of one queue while no driver runs it, too: plain data.
struct QueueState {
    Watched<std::uint8_t> is_running; ///< all else is of the queue that runs, or ran last
    QueueIndices indices;
    QueueMetrics metrics;
    std::array<HeldDescriptor, longest_queue> held; ///< of the chains that are out
};

/// A running virtqueue, split or packed. Only one thread, its owner, touches it.
///
/// Chains that came back are published in batches: publish() makes them visible
/// to the driver. With IN_ORDER they go back in the order they were popped.
class Queue {
  public:
    using Clock = std::chrono::steady_clock;

    enum class Start {
        fresh,     ///< at the ring's beginning
        continued, ///< where `state` says, which may have been left in the middle of any step; chains
                   ///< that were out are popped once more, before all others. Fresh unless it is running
    };
    /// Whether a state that another process has left can be one of such a queue at all.
    [[nodiscard]] static bool can_continue(const QueueState& state, const QueueLayout& layout);
    /// `state`, which is running from then on, and `memory` outlive the queue.
    Queue(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features, QueueState& state,
          Start start = Start::fresh);
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    Queue(Queue&&) = delete;
    Queue& operator=(Queue&&) = delete;
    ~Queue() = default;

    /// The next chain, nothing when the driver has made none available, or a
    /// fault, after which the queue must not be used any more.
    [[nodiscard]] std::expected<std::optional<Chain>, QueueFault> pop();

    /// Whether pop() would find something.
    [[nodiscard]] bool has_available() const;
    /// Chains that are out: popped and not back.
    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

    /// Show the driver what came back; false when nothing did. `now` ends the
    /// time that those chains took.
    bool publish(Clock::time_point now);
    [[nodiscard]] bool has_unpublished() const { return !unpublished_.empty(); }

    /// Ask the driver not to notify, as far as the ring can say that.
    void disable_notifications();
    /// Ask the driver to notify. True: it has made something available
    /// meanwhile and may not notify for it; look again.
    [[nodiscard]] bool enable_notifications();

    /// Whether the driver wants an interrupt for what has been published since
    /// this was asked last.
    [[nodiscard]] bool take_interrupt_request();

    /// With EVENT_IDX: the driver asked for an interrupt at an entry that has
    /// been published, and has not looked since.
    [[nodiscard]] bool driver_is_behind() const;

    /// When the chains that are popped from now on were asked for: not a clock
    /// of its own, because a look at one costs as much as a small request.
    void set_asked(Clock::time_point when) { asked_ = when; }

  private:
    friend Chain;

    /// With IN_ORDER: a chain that is out, or back before its turn.
    struct Ordered {
        RingElement element;
        Clock::time_point asked{};
        std::uint32_t written = 0;
        bool is_back = false;
    };

    void give_back(const ChainTicket& ticket, std::uint32_t written, ChainBuffers buffers);
    void undo_pop(const ChainTicket& ticket, ChainBuffers buffers);
    [[nodiscard]] std::expected<std::optional<RingElement>, QueueFault> take(ChainBuffers& buffers);
    [[nodiscard]] ChainBuffers take_buffers();
    void keep_buffers(ChainBuffers buffers);
    void add_used(const RingElement& element, std::uint32_t written, Clock::time_point asked);
    void add_used_in_order();

    std::variant<SplitRing, PackedRing> ring_;
    QueueState& state_;
    bool in_order_;
    std::vector<std::uint16_t> again_; ///< in held: chains to be popped once more, the next one last
    std::size_t in_flight_ = 0;
    Clock::time_point asked_;
    std::vector<Clock::time_point> unpublished_; ///< when they were asked for
    std::vector<Ordered> ordered_;               ///< a ring of its own, one slot for each entry of the queue
    std::size_t oldest_ = 0;                     ///< in ordered_
    std::size_t newest_ = 0;                     ///< one past it, counted on without end like oldest_
    std::vector<ChainBuffers> spare_buffers_;    ///< so that no chain allocates in the long run
};

} // namespace hvisor::virtio
