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

/// A packed virtqueue's ring (virtio 1.2, 2.8): one ring of descriptors that
/// both sides write, with a flag each that says whose turn it is.
class PackedRing {
  public:
    /// Where a fresh ring begins: entry 0, both wrap counters 1 (virtio 1.2, 2.8.1).
    static constexpr std::uint16_t first_index = 0x8000;

    /// `held` is as long as the queue, and has nothing that was half done.
    PackedRing(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
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
    /// Whoever had the ring before may have ended in the middle of add_used() or publish().
    void go_on();

    void disable_notifications();
    [[nodiscard]] bool enable_notifications();
    [[nodiscard]] bool take_interrupt_request();
    [[nodiscard]] bool driver_is_behind() const;

  private:
    struct Descriptor {
        std::uint64_t address;
        std::uint32_t length;
        std::uint16_t id;
        std::uint16_t flags;
    };
    /// An entry of the ring and the wrap counter that belongs to it.
    struct Position {
        std::uint16_t entry;
        bool wrap;
    };

    [[nodiscard]] static Position unpack(std::uint16_t index);
    [[nodiscard]] static std::uint16_t pack(Position position);
    [[nodiscard]] Position advanced(Position from, unsigned entries) const;
    [[nodiscard]] static bool is_available(std::uint16_t flags, bool wrap);
    [[nodiscard]] Descriptor load_descriptor(std::uint16_t entry, std::uint16_t flags) const;
    [[nodiscard]] std::uint16_t load_flags(std::uint16_t entry) const;
    [[nodiscard]] std::expected<void, QueueFault> collect(const Descriptor& descriptor,
                                                          ChainCollector& collector);
    /// Keep a copy of chain_; returns where it begins.
    [[nodiscard]] std::uint16_t hold(std::uint16_t id);
    void let_go(const RingElement& element);
    [[nodiscard]] std::expected<void, QueueFault> collect_indirect(const Descriptor& descriptor,
                                                                   ChainCollector& collector);
    [[nodiscard]] std::uint32_t driver_wish() const;
    /// The driver wants to hear of one entry, not of all or none.
    [[nodiscard]] bool names_descriptor(std::uint32_t wish) const;
    [[nodiscard]] std::uint16_t entries_between(Position from, Position to) const;

    QueueLayout layout_;
    const guest::GuestMemory* memory_;
    bool event_idx_;
    bool indirect_;
    QueueIndices* indices_;
    std::span<HeldDescriptor> held_;
    std::uint32_t slots_out_ = 0;            ///< entries of chains that are in flight
    std::uint16_t next_free_ = 0;            ///< where to look for one in held_
    std::vector<Descriptor> chain_;          ///< that is being taken
    std::vector<Descriptor> indirect_table_; ///< the copy that is judged and used
};

} // namespace hvisor::virtio
