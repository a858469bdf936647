// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest/guest_memory.hpp"
#include "virtio/features.hpp"

#include <cstdint>
#include <expected>
#include <string_view>

namespace hvisor::virtio {

/// Where a driver says a queue is; as it wrote it, nothing checked.
struct QueueAddresses {
    std::uint32_t size = 0;
    std::uint64_t descriptors = 0;
    std::uint64_t driver = 0; ///< avail ring
    std::uint64_t device = 0; ///< used ring
};

/// A split queue (virtio 1.2, 2.7) that has been checked and translated: what
/// a Queue runs on. Registers written later cannot change it.
class QueueLayout {
  public:
    /// The layout, or what is wrong with the addresses.
    [[nodiscard]] static std::expected<QueueLayout, std::string_view>
    create(const QueueAddresses& addresses, std::uint16_t max_size, const guest::GuestMemory& memory);

    [[nodiscard]] std::uint16_t size() const { return size_; }
    [[nodiscard]] const guest::GuestSpan& descriptors() const { return descriptors_; }
    [[nodiscard]] const guest::GuestSpan& avail() const { return avail_; }
    [[nodiscard]] const guest::GuestSpan& used() const { return used_; }

  private:
    QueueLayout() = default;

    std::uint16_t size_ = 0;
    guest::GuestSpan descriptors_;
    guest::GuestSpan avail_;
    guest::GuestSpan used_;
};

} // namespace hvisor::virtio
