// SPDX-License-Identifier: Apache-2.0
#include "zone/live_tree.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace hvisor::zone {

namespace fs = std::filesystem;

std::vector<std::uint32_t> read_live_cells(const fs::path& property) {
    std::ifstream file(property, std::ios::binary);
    std::vector<std::uint32_t> cells;
    std::uint32_t cell = 0;
    std::size_t bytes = 0;
    for (auto it = std::istreambuf_iterator<char>(file); it != std::istreambuf_iterator<char>(); ++it) {
        cell = (cell << 8U) | static_cast<unsigned char>(*it);
        if (++bytes % sizeof(cell) == 0) {
            cells.push_back(cell);
        }
    }
    return cells;
}

std::size_t live_cell_count(const fs::path& property) {
    const auto cells = read_live_cells(property);
    return cells.empty() ? 2 : std::clamp<std::size_t>(cells.front(), 1, 2);
}

std::uint64_t join_cells(std::span<const std::uint32_t> cells) {
    std::uint64_t value = 0;
    for (const std::uint32_t cell : cells) {
        value = (value << 32U) | cell;
    }
    return value;
}

} // namespace hvisor::zone
