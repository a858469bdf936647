// SPDX-License-Identifier: Apache-2.0
#include "virtio/queue_layout.hpp"

#include <bit>

namespace hvisor::virtio {

std::expected<QueueLayout, std::string_view> QueueLayout::create(const QueueAddresses& addresses,
                                                                 std::uint16_t max_size,
                                                                 const guest::GuestMemory& memory) {
    // virtio 1.2, 2.7: the size is a power of two, at most what QueueNumMax says.
    if (!std::has_single_bit(addresses.size) || addresses.size > max_size) {
        return std::unexpected("the queue size is not a power of two up to QueueNumMax");
    }
    // virtio 1.2, 2.7: alignments and sizes of the three parts.
    if (addresses.descriptors % 16 != 0 || addresses.driver % 2 != 0 || addresses.device % 4 != 0) {
        return std::unexpected("a queue address is not aligned");
    }
    const std::uint64_t size = addresses.size;
    const auto descriptors = memory.translate(addresses.descriptors, 16 * size);
    const auto avail = memory.translate(addresses.driver, 6 + 2 * size);
    const auto used = memory.translate(addresses.device, 6 + 8 * size);
    if (!descriptors || !avail || !used) {
        return std::unexpected("a queue address is outside the zone's memory");
    }
    QueueLayout layout;
    layout.size_ = static_cast<std::uint16_t>(size);
    layout.descriptors_ = *descriptors;
    layout.avail_ = *avail;
    layout.used_ = *used;
    return layout;
}

} // namespace hvisor::virtio
