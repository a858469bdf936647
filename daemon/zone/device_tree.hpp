// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// A larger one no kernel takes: "must not exceed 2 megabytes" (Linux, Documentation/arch/arm64/booting.rst).
inline constexpr std::size_t max_device_tree_size = 2UL * 1024 * 1024;

/// A range of the guest's addresses that a node of its device tree describes.
struct TreeMemory {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    std::string node; ///< its path: "/memory@50000000"
};

struct TreeCpu {
    std::uint64_t hardware_id = 0; ///< its "reg": the MPIDR on arm64, the hart id on riscv64
    std::string node;
};

/// A node that is compatible with "virtio,mmio".
struct TreeVirtio {
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::optional<std::uint32_t> interrupt; ///< as a zone file counts it; none where the tree does not say
    std::string node;
};

/// What a guest's device tree says of what its zone has to give it.
struct DeviceTree {
    std::vector<TreeMemory> memory;
    std::vector<TreeCpu> cpus;
    std::vector<TreeVirtio> virtio;
    std::string bootargs;
};

/// Read a device tree blob. Nothing of it is trusted; the error is one sentence, without the file's name.
[[nodiscard]] Result<DeviceTree> read_device_tree(std::span<const std::byte> blob);

} // namespace hvisor::zone
