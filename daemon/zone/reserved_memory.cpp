// SPDX-License-Identifier: Apache-2.0
#include "zone/reserved_memory.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>
#include <string_view>
#include <system_error>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

/// A property's cells: 32-bit numbers, most significant byte first.
std::vector<std::uint32_t> read_cells(const fs::path& property) {
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

/// An address or size takes one cell or two.
std::size_t cell_count(const fs::path& property) {
    const auto cells = read_cells(property);
    return cells.empty() ? 2 : std::clamp<std::size_t>(cells.front(), 1, 2);
}

std::uint64_t join(std::span<const std::uint32_t> cells) {
    std::uint64_t value = 0;
    for (const std::uint32_t cell : cells) {
        value = (value << 32U) | cell;
    }
    return value;
}

bool is_hypervisors(std::string_view node) {
    const std::string_view name = node.substr(0, node.find('@'));
    return name == "hvisor" || name == "hypervisor";
}

/// The kernel shows a parameter that is not set as "(null)".
bool is_set(const fs::path& parameter) {
    std::ifstream file(parameter);
    std::string value;
    return file >> value && value != "(null)";
}

} // namespace

std::optional<std::vector<ReservedRange>> reserved_memory(const fs::path& device_tree,
                                                          const fs::path& zone_ram) {
    std::error_code error;
    const fs::path node = device_tree / "reserved-memory";
    if (!fs::is_directory(device_tree, error) || is_set(zone_ram)) {
        return std::nullopt;
    }
    std::vector<ReservedRange> ranges;
    const std::size_t address_cells = cell_count(node / "#address-cells");
    const std::size_t size_cells = cell_count(node / "#size-cells");
    for (const fs::directory_entry& child : fs::directory_iterator(node, error)) {
        const std::string name = child.path().filename();
        if (!child.is_directory(error) || !fs::exists(child.path() / "no-map", error) ||
            is_hypervisors(name)) {
            continue;
        }
        const auto cells = read_cells(child.path() / "reg");
        const std::span all(cells);
        const std::size_t step = address_cells + size_cells;
        for (std::size_t at = 0; at + step <= all.size(); at += step) {
            ranges.push_back({name, join(all.subspan(at, address_cells)),
                              join(all.subspan(at + address_cells, size_cells))});
        }
    }
    std::ranges::sort(ranges, {}, &ReservedRange::address);
    return ranges;
}

} // namespace hvisor::zone
