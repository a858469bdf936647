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

template <class Step>
void Backing::walk(std::uint64_t offset, std::size_t length, Step step) const {
    if (!range_inside(offset, length, 0, size_) || length == 0) {
        return;
    }
    auto piece = std::ranges::upper_bound(pieces_, offset, {}, &Piece::begin) - 1;
    auto within = static_cast<std::size_t>(offset - piece->begin);
    for (std::size_t done = 0; done < length;) {
        const auto count = std::min(length - done, piece->bytes.size() - within);
        step(piece->bytes, within, done, count);
        done += count;
        within = 0;
        ++piece;
    }
}

void Backing::read(std::uint64_t offset, std::span<std::byte> to) const {
    walk(offset, to.size(),
         [to](const guest::GuestSpan& bytes, std::size_t within, std::size_t done, std::size_t count) {
             bytes.read(within, to.subspan(done, count));
         });
}

void Backing::write(std::uint64_t offset, std::span<const std::byte> from) const {
    walk(offset, from.size(),
         [from](const guest::GuestSpan& bytes, std::size_t within, std::size_t done, std::size_t count) {
             bytes.write(within, from.subspan(done, count));
         });
}

} // namespace hvisor::devices::gpu
