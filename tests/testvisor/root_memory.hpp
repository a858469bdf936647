// SPDX-License-Identifier: Apache-2.0
//
// The root zone's memory on this board, in which the addresses that it passes
// must lie: the real hypervisor panics on one that is not mapped.
#pragma once

#include <cstdint>

#include "panic.hpp"

namespace testvisor {

inline constexpr std::uint64_t root_memory = 0x50000000;
inline constexpr std::uint64_t root_memory_end = 0xc0000000;
inline constexpr std::uint64_t root_device_tree = 0xa0000000;
inline constexpr std::uint64_t root_kernel = 0xa0400000;

template <typename T>
T* from_root(std::uint64_t address, std::uint64_t count = 1) {
    if (address < root_memory || address >= root_memory_end ||
        count > (root_memory_end - address) / sizeof(T)) {
        panic("hypercall with an address that is not mapped: ", Hex{address});
    }
    return reinterpret_cast<T*>(address);
}

} // namespace testvisor
