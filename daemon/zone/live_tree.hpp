// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace hvisor::zone {

/// The root zone's own device tree, as its kernel shows it: a folder a node, a
/// file a property (/proc/device-tree). A property that is not there has no cells.

/// 32-bit numbers, most significant byte first.
[[nodiscard]] std::vector<std::uint32_t> read_live_cells(const std::filesystem::path& property);

/// What a "#address-cells" or the like says: an address or size takes one cell or two.
[[nodiscard]] std::size_t live_cell_count(const std::filesystem::path& property);

/// Cells as one number.
[[nodiscard]] std::uint64_t join_cells(std::span<const std::uint32_t> cells);

} // namespace hvisor::zone
