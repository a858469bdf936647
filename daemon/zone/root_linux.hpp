// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/reserved_memory.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hvisor::zone {

/// An interrupt that a driver of the root zone's Linux has.
struct UsedInterrupt {
    std::uint32_t id = 0; ///< as a zone file counts it: the interrupt controller's number
    std::string user;     ///< what the kernel calls it
};

/// What the root zone's Linux has for itself.
struct RootLinux {
    std::vector<ReservedRange> system_ram;
    std::vector<UsedInterrupt> interrupts;
    std::vector<std::uint64_t> cpu_ids; ///< of its CPUs, as the hardware has them: the MPIDR on arm64
};

/// Read `proc`/iomem and `proc`/interrupts; what cannot be read there, or hides
/// its addresses from us, is left out. The CPUs are those of `device_tree`.
[[nodiscard]] RootLinux look_at_root_linux(const std::filesystem::path& proc,
                                           const std::filesystem::path& device_tree);

} // namespace hvisor::zone
