// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "guest/guest_memory.hpp"
#include "virtio/chain.hpp"
#include "virtio/features.hpp"
#include "virtio/queue_layout.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <vector>

namespace hvisor::virtio {

/// What a driver did wrong in a queue; the device then needs a reset.
enum class QueueFault {
    avail_index,    ///< more entries than the queue has
    head_index,     ///< a head that is no descriptor
    next_index,     ///< a next that is no descriptor
    chain_too_long, ///< a loop, or more descriptors than the queue has
    length,         ///< more than 4 GiB in one chain
    memory,         ///< a buffer outside the zone's memory
    direction,      ///< device-readable after device-writable
    indirect,       ///< an indirect descriptor that is not allowed or malformed
};

/// For the log: "descriptor chain with a loop".
[[nodiscard]] std::string_view to_string(QueueFault fault);

/// Where a queue stands: plain data that survives the process, and that other
/// threads may look at.
struct QueueIndices {
    Watched<std::uint16_t> next_avail; ///< the entry of the avail ring to take next
    Watched<std::uint16_t> next_used;  ///< the entry of the used ring to publish next
    Watched<std::uint16_t> signalled;  ///< next_used when the driver was last told

    void clear() {
        next_avail.set(0);
        next_used.set(0);
        signalled.set(0);
    }
};

/// A running split virtqueue. Only one thread, its owner, touches it.
class Queue {
  public:
    /// `indices` and `memory` outlive the queue.
    Queue(const QueueLayout& layout, const guest::GuestMemory& memory, FeatureSet features,
          QueueIndices& indices);
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

  private:
    friend Chain;
    struct Descriptor {
        std::uint64_t address;
        std::uint32_t length;
        std::uint16_t flags;
        std::uint16_t next;
    };
    /// Longer indirect tables than any driver builds; also the kernel's limit for one readv().
    static constexpr std::uint32_t max_indirect = 1024;

    [[nodiscard]] std::expected<void, QueueFault> collect(std::uint16_t head, ChainBuffers& buffers);
    [[nodiscard]] std::expected<void, QueueFault>
    collect_indirect(const Descriptor& descriptor, ChainBuffers& buffers, std::uint64_t& total);
    [[nodiscard]] std::expected<void, QueueFault> add_buffer(const Descriptor& descriptor,
                                                             ChainBuffers& buffers, std::uint64_t& total);
    void publish(std::uint16_t head, std::uint32_t written, ChainBuffers buffers);
    void undo_pop(ChainBuffers buffers);
    [[nodiscard]] ChainBuffers take_buffers();
    void keep_buffers(ChainBuffers buffers);
    [[nodiscard]] std::uint16_t avail_index() const;
    [[nodiscard]] std::uint16_t used_event() const;

    QueueLayout layout_;
    const guest::GuestMemory& memory_;
    bool event_idx_;
    bool indirect_;
    QueueIndices& indices_;
    std::vector<ChainBuffers> spare_buffers_; ///< so that no chain allocates in the long run
    std::vector<Descriptor> indirect_table_;  ///< the copy that is judged and used
};

} // namespace hvisor::virtio
