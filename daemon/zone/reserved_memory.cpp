// SPDX-License-Identifier: Apache-2.0
#include "zone/reserved_memory.hpp"

#include "zone/live_tree.hpp"

#include <algorithm>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

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
    const std::size_t address_cells = live_cell_count(node / "#address-cells");
    const std::size_t size_cells = live_cell_count(node / "#size-cells");
    for (const fs::directory_entry& child : fs::directory_iterator(node, error)) {
        const std::string name = child.path().filename();
        if (!child.is_directory(error) || !fs::exists(child.path() / "no-map", error) ||
            is_hypervisors(name)) {
            continue;
        }
        const auto cells = read_live_cells(child.path() / "reg");
        const std::span all(cells);
        const std::size_t step = address_cells + size_cells;
        for (std::size_t at = 0; at + step <= all.size(); at += step) {
            ranges.push_back({name, join_cells(all.subspan(at, address_cells)),
                              join_cells(all.subspan(at + address_cells, size_cells))});
        }
    }
    std::ranges::sort(ranges, {}, &ReservedRange::address);
    return ranges;
}

} // namespace hvisor::zone
