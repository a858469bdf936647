// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "guest/guest_memory.hpp"
#include "virtio/features.hpp"
#include "virtio/queue.hpp"
#include "virtio/queue_layout.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hvisor::devices::vsock {

/// An open /dev/vhost-vsock, or what tests put in its place.
class VhostFile {
  public:
    VhostFile() = default;
    VhostFile(const VhostFile&) = delete;
    VhostFile& operator=(const VhostFile&) = delete;
    VhostFile(VhostFile&&) = delete;
    VhostFile& operator=(VhostFile&&) = delete;
    virtual ~VhostFile() = default;

    /// As ioctl(2): -1 and errno when the kernel refuses.
    virtual int call(unsigned long request, void* argument) = 0;
};

/// The kernel's device. It may wait for the kernel to load the module.
[[nodiscard]] Result<std::unique_ptr<VhostFile>> open_vhost_file();

/// Receive and transmit queue, in this order (virtio 1.2, 5.10.2).
inline constexpr std::size_t vhost_rings = 2;

/// The kernel's vhost-vsock for one guest: its worker serves the receive and
/// the transmit queue in place, in memory that is mapped here. It copies with
/// this process's page tables, so a mapping without struct page will do.
///
/// Calls wait for the worker, so no thread that owns queues makes them.
class VhostVsock {
  public:
    /// `memory` outlives the guest. The error names the "cid" where that is what is wrong.
    [[nodiscard]] static Result<std::unique_ptr<VhostVsock>>
    create(std::unique_ptr<VhostFile> file, std::uint32_t cid, const guest::GuestMemory& memory);

    /// What the kernel can do, of all that is known here.
    [[nodiscard]] virtio::FeatureSet features() const { return features_; }

    /// Rings and features as the driver set them. A fresh ring begins at 0 (virtio 1.2, 2.7.6). In one
    /// that is continued the kernel, which uses buffers in their order and keeps none back when it
    /// stops, has used all that it took: it goes on at the used index.
    [[nodiscard]] Result<void> start(virtio::FeatureSet negotiated,
                                     const std::array<virtio::QueueLayout, vhost_rings>& rings,
                                     virtio::Queue::Start start);
    /// Returns the index of the avail entry that each ring would have gone on
    /// with; the used index is in the ring itself.
    [[nodiscard]] Result<std::array<std::uint16_t, vhost_rings>> stop();

    /// The driver made buffers available. Any thread, never blocks.
    void kick(std::size_t ring) const;
    /// Counts up when the driver is to be interrupted, and when the kernel
    /// cannot go on with what it found in the ring.
    [[nodiscard]] int call_fd(std::size_t ring) const { return events_.at(ring).call.get(); }
    [[nodiscard]] int error_fd(std::size_t ring) const { return events_.at(ring).error.get(); }

  private:
    struct Events {
        UniqueFd kick;
        UniqueFd call;
        UniqueFd error;
    };

    explicit VhostVsock(std::unique_ptr<VhostFile> file) : file_(std::move(file)) {}
    [[nodiscard]] Result<void> set_up(std::uint32_t cid, const guest::GuestMemory& memory);
    [[nodiscard]] Result<void> set_memory(const guest::GuestMemory& memory);
    [[nodiscard]] Result<void> set_cid(std::uint32_t cid);
    [[nodiscard]] Result<void> set_events(unsigned ring);
    [[nodiscard]] Result<void> set_ring(unsigned ring, const virtio::QueueLayout& layout,
                                        std::uint16_t next_avail);
    [[nodiscard]] Result<void> set_running(bool running);
    [[nodiscard]] Result<void> call(unsigned long request, void* argument, const char* name);

    std::unique_ptr<VhostFile> file_;
    virtio::FeatureSet features_;
    std::array<Events, vhost_rings> events_;
};

} // namespace hvisor::devices::vsock
