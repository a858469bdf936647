// SPDX-License-Identifier: Apache-2.0
#include "stage2.hpp"

#include "arch.hpp"
#include "panic.hpp"
#include "zone.hpp"

namespace testvisor {
namespace {

constexpr std::uint64_t page_size = 0x1000;
constexpr std::uint64_t block_size[] = {0, 1UL << 30, 1UL << 21, page_size}; // by level
constexpr unsigned block_shift[] = {0, 30, 21, 12};
constexpr std::uint64_t guest_end = 1UL << 39;
constexpr std::uint64_t physical_end = 1UL << 40;
constexpr unsigned last_level = 3;
constexpr unsigned entries = 512;
// Enough for 768 MiB in single pages.
constexpr unsigned tables_each = 448;

constexpr std::uint64_t valid = 1;
constexpr std::uint64_t table_or_page = 2;
constexpr std::uint64_t address_bits = 0x0000fffffffff000;
constexpr std::uint64_t memory_bits = 1UL << 10 | 3UL << 8 | 3UL << 6 | 0xfUL << 2;
constexpr std::uint64_t device_bits = 1UL << 54 | 1UL << 10 | 3UL << 6 | 1UL << 2;

[[gnu::section(".noinit")]] alignas(page_size) std::uint64_t pool[zone_slots][tables_each][entries];

} // namespace

void Stage2::reset(unsigned slot) {
    slot_ = slot;
    used_ = 0;
    root_ = new_table();
}

std::uint64_t* Stage2::new_table() {
    if (used_ == tables_each) {
        panic("no page left for stage 2 tables");
    }
    std::uint64_t* table = pool[slot_][used_++];
    for (unsigned i = 0; i < entries; ++i) {
        table[i] = 0;
    }
    return table;
}

std::uint64_t* Stage2::next_level(std::uint64_t& entry, std::uint64_t guest) {
    if ((entry & valid) == 0) {
        entry = reinterpret_cast<std::uint64_t>(new_table()) | table_or_page | valid;
    } else if ((entry & table_or_page) == 0) {
        panic("guest address ", Hex{guest}, " is mapped twice");
    }
    return reinterpret_cast<std::uint64_t*>(entry & address_bits);
}

void Stage2::map_one(std::uint64_t guest, std::uint64_t physical, unsigned level, Kind kind) {
    std::uint64_t* table = root_;
    for (unsigned at = 1; at < level; ++at) {
        table = next_level(table[guest >> block_shift[at] & (entries - 1)], guest);
    }
    std::uint64_t& entry = table[guest >> block_shift[level] & (entries - 1)];
    if (entry != 0) {
        panic("guest address ", Hex{guest}, " is mapped twice");
    }
    entry = physical | (kind == Kind::Memory ? memory_bits : device_bits) | valid;
    if (level == last_level) {
        entry |= table_or_page;
    }
}

void Stage2::map(std::uint64_t guest, std::uint64_t physical, std::uint64_t size, Kind kind) {
    if ((guest | physical | size) % page_size != 0) {
        panic("region at ", Hex{guest}, " is not made of whole pages");
    }
    if (size > guest_end || guest > guest_end - size || physical > physical_end - size) {
        panic("region at ", Hex{guest}, " of ", Hex{size}, " is out of reach");
    }
    while (size > 0) {
        unsigned level = 1;
        while (level < last_level &&
               ((guest | physical) % block_size[level] != 0 || size < block_size[level])) {
            ++level;
        }
        map_one(guest, physical, level, kind);
        guest += block_size[level];
        physical += block_size[level];
        size -= block_size[level];
    }
    full_barrier();
}

} // namespace testvisor
