// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/backing.hpp"

#include "base/checked.hpp"

#include <algorithm>

namespace hvisor::devices::gpu {

Outcome<Backing> Backing::from_guest(virtio::Reader& entries, std::uint32_t count,
                                     const guest::GuestMemory& memory, MemoryBudget& budget) {
    if (count == 0 || count > entries.remaining() / sizeof(MemoryEntry)) {
        return refuse(Response::err_invalid_parameter, "it has another number of entries than it says");
    }
    Backing backing(budget);
    // One piece an entry. An entry that lies in two regions of the zone's memory
    // takes more, and it is the zone's file that says how many regions there are.
    if (!backing.share_.resize(std::uint64_t{count} * sizeof(Piece))) {
        return refuse(Response::err_out_of_memory, "its entries are more than the device may keep");
    }
    backing.pieces_.reserve(count);
    std::vector<guest::GuestSpan> spans;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto entry = entries.read<MemoryEntry>();
        spans.clear();
        if (!entry || !memory.translate(entry->addr, entry->length, spans)) {
            return refuse(Response::err_invalid_parameter, "an entry is not in the zone's memory");
        }
        for (const auto& span : spans) {
            // 2^32 entries of 2^32 bytes at most: no sum wraps around.
            backing.pieces_.push_back({.begin = backing.size_, .bytes = span});
            backing.size_ += span.size();
        }
    }
    if (!backing.share_.resize(backing.pieces_.capacity() * sizeof(Piece))) {
        return refuse(Response::err_out_of_memory, "its entries are more than the device may keep");
    }
    return backing;
}

void Backing::read(std::uint64_t offset, std::span<std::byte> to) const {
    if (!range_inside(offset, to.size(), 0, size_) || to.empty()) {
        return;
    }
    auto piece = std::ranges::upper_bound(pieces_, offset, {}, &Piece::begin) - 1;
    auto within = static_cast<std::size_t>(offset - piece->begin);
    while (!to.empty()) {
        const auto count = std::min(to.size(), piece->bytes.size() - within);
        piece->bytes.read(within, to.first(count));
        to = to.subspan(count);
        within = 0;
        ++piece;
    }
}

} // namespace hvisor::devices::gpu
