// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest/guest_memory.hpp"
#include "virtio/chain_buffers.hpp"
#include "virtio/features.hpp"
#include "virtio/queue_layout.hpp"
#include "virtio/ring.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

namespace hvisor::virtio {

/// A split virtqueue's ring (virtio 1.2, 2.7).
class SplitRing {
  public:
    /// Where a fresh ring begins.
    static constexpr std::uint16_t first_index = 0;

    /// `held` is as long as the queue, and has nothing that was half done.
    SplitRing(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
              QueueIndices& indices, std::span<HeldDescriptor> held);

    /// The next chain, its buffers put into `buffers`.
    [[nodiscard]] std::expected<std::optional<RingElement>, QueueFault> pop(ChainBuffers& buffers);
    /// A chain that was out when another process stopped, by the number of its
    /// first HeldDescriptor.
    [[nodiscard]] std::expected<RingElement, QueueFault> take_again(std::uint16_t held,
                                                                    ChainBuffers& buffers);
    /// Take back the latest pop().
    void undo_pop(const RingElement& element);
    [[nodiscard]] bool has_available() const;

    /// Write a used entry that the driver does not see before publish().
    void add_used(const RingElement& element, std::uint32_t written);
    void publish();
    /// Whoever had the ring before may have ended before publish().
    void go_on() { publish(); }

    void disable_notifications();
    [[nodiscard]] bool enable_notifications();
    [[nodiscard]] bool take_interrupt_request();
    [[nodiscard]] bool driver_is_behind() const;

    // Of a ring that somebody else serves. Both words a driver can make up: no
    // more follows from them than one interrupt too many, or too few for itself.

    /// What the ring says is used.
    [[nodiscard]] static std::uint16_t used_index(const QueueLayout& layout);
    /// With EVENT_IDX: whether the driver wanted to hear of an entry before
    /// `used` and has not looked since.
    [[nodiscard]] static bool driver_is_behind(const QueueLayout& layout, std::uint16_t used);

  private:
    struct Descriptor {
        std::uint64_t address;
        std::uint32_t length;
        std::uint16_t flags;
        std::uint16_t next;
    };

    [[nodiscard]] std::expected<void, QueueFault> collect(std::uint16_t head, ChainBuffers& buffers);
    [[nodiscard]] std::expected<void, QueueFault> collect_indirect(const Descriptor& descriptor,
                                                                   ChainCollector& collector);
    [[nodiscard]] std::uint16_t avail_index() const;
    [[nodiscard]] static std::uint16_t used_event(const QueueLayout& layout);

    QueueLayout layout_;
    const guest::GuestMemory* memory_;
    bool event_idx_;
    bool indirect_;
    QueueIndices* indices_;
    std::uint16_t seen_avail_;               ///< what the driver's index was at the latest look
    std::span<HeldDescriptor> held_;         ///< by head
    std::vector<Descriptor> indirect_table_; ///< the copy that is judged and used
};

} // namespace hvisor::virtio
