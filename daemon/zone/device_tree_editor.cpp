// SPDX-License-Identifier: Apache-2.0
#include "zone/device_tree_editor.hpp"

#include "zone/device_tree.hpp"

#include <algorithm>
#include <array>
#include <libfdt.h>

namespace hvisor::zone {
namespace {

/// What may be added: some nodes for each device, and a command line.
constexpr std::size_t spare_room = 64UL * 1024;

} // namespace

DeviceTreeEditor::DeviceTreeEditor() : blob_(spare_room) {
    check(::fdt_create_empty_tree(blob_.data(), static_cast<int>(blob_.size())));
}

DeviceTreeEditor::DeviceTreeEditor(std::span<const std::byte> blob) : blob_(blob.size() + spare_room) {
    check(::fdt_open_into(blob.data(), blob_.data(), static_cast<int>(blob_.size())));
}

void DeviceTreeEditor::check(int result) {
    if (result < 0 && error_ == 0) {
        error_ = result;
    }
}

int DeviceTreeEditor::offset(const std::string& path) const {
    return ::fdt_path_offset(blob_.data(), path.c_str());
}

void DeviceTreeEditor::node(const std::string& path) {
    if (offset(path) >= 0) {
        return;
    }
    const std::size_t slash = path.rfind('/');
    const int parent = offset(slash == 0 ? "/" : path.substr(0, slash));
    check(parent < 0 ? parent : ::fdt_add_subnode(blob_.data(), parent, path.c_str() + slash + 1));
}

void DeviceTreeEditor::remove_node(const std::string& path) {
    if (const int node = offset(path); node >= 0) {
        check(::fdt_del_node(blob_.data(), node));
    }
}

void DeviceTreeEditor::set(const std::string& path, const char* property, const void* value,
                           std::size_t size) {
    const int node = offset(path);
    check(node < 0 ? node : ::fdt_setprop(blob_.data(), node, property, value, static_cast<int>(size)));
}

void DeviceTreeEditor::set_text(const std::string& path, const char* property, std::string_view text) {
    set_texts(path, property, {text});
}

void DeviceTreeEditor::set_texts(const std::string& path, const char* property,
                                 std::initializer_list<std::string_view> texts) {
    std::string list;
    for (const std::string_view text : texts) {
        list.append(text).push_back('\0');
    }
    set(path, property, list.data(), list.size());
}

void DeviceTreeEditor::set_cells(const std::string& path, const char* property,
                                 std::span<const std::uint32_t> cells) {
    std::vector<fdt32_t> stored(cells.size());
    std::ranges::transform(cells, stored.begin(), [](std::uint32_t value) { return ::cpu_to_fdt32(value); });
    set(path, property, stored.data(), stored.size() * sizeof(fdt32_t));
}

void DeviceTreeEditor::set_cell(const std::string& path, const char* property, std::uint32_t cell) {
    set_cells(path, property, std::array{cell});
}

void DeviceTreeEditor::set_flag(const std::string& path, const char* property) {
    set(path, property, nullptr, 0);
}

std::uint32_t DeviceTreeEditor::cell(const std::string& path, const char* property,
                                     std::uint32_t fallback) const {
    int length = 0;
    const int node = offset(path);
    const void* value = node < 0 ? nullptr : ::fdt_getprop(blob_.data(), node, property, &length);
    return value != nullptr && length == sizeof(fdt32_t) ? ::fdt32_ld(static_cast<const fdt32_t*>(value))
                                                         : fallback;
}

std::string DeviceTreeEditor::node_of(std::uint32_t phandle) const {
    const int node = ::fdt_node_offset_by_phandle(blob_.data(), phandle);
    std::array<char, 1024> path{};
    const bool is_found = node >= 0 && ::fdt_get_path(blob_.data(), node, path.data(), path.size()) == 0;
    return is_found ? path.data() : "";
}

Result<std::vector<std::byte>> DeviceTreeEditor::finish() {
    check(::fdt_pack(blob_.data()));
    const std::size_t size = error_ == 0 ? fdt_totalsize(blob_.data()) : 0;
    if (error_ != 0 || size > max_device_tree_size) {
        return fail(ErrorCode::invalid_config,
                    "the zone's device tree cannot be written ({}); shorten the command line, or give the "
                    "zone fewer devices",
                    error_ != 0 ? ::fdt_strerror(error_) : "it is larger than 2 MiB");
    }
    blob_.resize(size);
    return std::move(blob_);
}

} // namespace hvisor::zone
