// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest/guest_memory.hpp"
#include "virtio/features.hpp"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string_view>

namespace hvisor::virtio {

/// Queues one device can have.
inline constexpr std::size_t max_queues = 16;

/// Where a driver says a queue is; as it wrote it, nothing checked.
struct QueueAddresses {
    std::uint32_t size = 0;
    std::uint64_t descriptors = 0;
    std::uint64_t driver = 0; ///< avail ring, or driver event suppression
    std::uint64_t device = 0; ///< used ring, or device event suppression
};

/// A queue, split (virtio 1.2, 2.7) or packed (2.8), that has been checked and
/// translated: what a Queue runs on. Registers written later cannot change it.
class QueueLayout {
  public:
    /// The layout, or what is wrong with the addresses.
    [[nodiscard]] static std::expected<QueueLayout, std::string_view>
    create(const QueueAddresses& addresses, std::uint16_t max_size, bool packed,
           const guest::GuestMemory& memory);

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] const guest::GuestSpan& descriptors() const { return descriptors_; }
    [[nodiscard]] bool is_packed() const { return packed_; }
    /// The part that the driver writes, and the one that the device writes.
    [[nodiscard]] const guest::GuestSpan& driver() const { return driver_; }
    [[nodiscard]] const guest::GuestSpan& device() const { return device_; }

  private:
    QueueLayout() = default;

    std::uint16_t size_ = 0;
    bool packed_ = false;
    guest::GuestSpan descriptors_;
    guest::GuestSpan driver_;
    guest::GuestSpan device_;
};

} // namespace hvisor::virtio
