// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "devices/gpu/ids.hpp"
#include "devices/gpu/screen.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hvisor::devices::gpu {

/// Commands of the driver one behind the other (Journal).
struct JournalArea {
    static constexpr std::size_t capacity = std::size_t{3} << 20;

    std::uint64_t done; ///< the order of a chain that was carried out before all that follow
    std::array<std::byte, capacity> records;
};

/// Everything that the control queue's commands have led to. Which area counts, and
/// how much of it, is one store.
struct JournalState {
    static constexpr std::uint64_t area_bit = 1;

    Watched<std::uint64_t> end;    ///< bytes of records, a multiple of 8, and in area_bit the area
    Watched<std::uint8_t> is_lost; ///< there was no room for something
    std::array<JournalArea, 2> areas;
};

/// What one scanout has beside its picture: each a store.
struct ScanoutMemory {
    Watched<std::uint64_t> preferred; ///< a Size that somebody has asked for; 0: nobody has
    Watched<std::uint64_t> position;  ///< a CursorPosition
    Watched<std::uint32_t> cursor;    ///< which of two is to be seen, from 1; 0: none
};

/// One is to be seen while the other is written. Bytes, so that what nobody uses
/// stays untouched, and costs no memory.
struct CursorPair {
    alignas(Cursor) std::array<std::array<std::byte, sizeof(Cursor)>, 2> cursors;
};
static_assert(std::is_trivially_copyable_v<Cursor>);

/// All that a GPU device of two dimensions remembers of its driver: plain data. Pixels
/// are not in it: they lie in the guest's memory.
struct GpuState {
    std::array<ScanoutMemory, max_scanouts> scanouts;
    JournalState journal;
    std::array<CursorPair, max_scanouts> cursors;
};
static_assert(std::is_trivially_copyable_v<GpuState> && std::is_standard_layout_v<GpuState>);

} // namespace hvisor::devices::gpu
