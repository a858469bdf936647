// SPDX-License-Identifier: Apache-2.0
#include "virtio/queue_layout.hpp"

#include <bit>

namespace hvisor::virtio {

std::expected<QueueLayout, std::string_view> QueueLayout::create(const QueueAddresses& addresses,
                                                                 std::uint16_t max_size, bool packed,
                                                                 const guest::GuestMemory& memory) {
    const std::uint64_t size = addresses.size;
    if (size == 0 || size > max_size) {
        return std::unexpected("the queue size is 0 or more than QueueNumMax");
    }
    // virtio 1.2, 2.7: a power of two; 2.8.10.1: a packed queue need not be.
    if (!packed && !std::has_single_bit(size)) {
        return std::unexpected("the queue size is not a power of two");
    }
    // virtio 1.2, 2.7 and 2.8.10.1: alignments and sizes of the three parts.
    if (addresses.descriptors % 16 != 0 || addresses.driver % (packed ? 4 : 2) != 0 ||
        addresses.device % 4 != 0) {
        return std::unexpected("a queue address is not aligned");
    }
    const auto descriptors = memory.translate(addresses.descriptors, 16 * size);
    const auto driver = memory.translate(addresses.driver, packed ? 4 : 6 + 2 * size);
    const auto device = memory.translate(addresses.device, packed ? 4 : 6 + 8 * size);
    if (!descriptors || !driver || !device) {
        return std::unexpected("a queue address is outside the zone's memory");
    }
    QueueLayout layout;
    layout.size_ = static_cast<std::uint16_t>(size);
    layout.packed_ = packed;
    layout.descriptors_ = *descriptors;
    layout.driver_ = *driver;
    layout.device_ = *device;
    return layout;
}

} // namespace hvisor::virtio
