// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::zone {

/// A device tree blob that is being changed. What goes wrong (it can only be
/// that it grows too large) is kept until finish(), so that a tree is written
/// down line by line. Nodes are named by their paths: offsets move.
class DeviceTreeEditor {
  public:
    /// A tree with nothing but its root.
    DeviceTreeEditor();
    /// A copy of a blob that read_device_tree() has taken.
    explicit DeviceTreeEditor(std::span<const std::byte> blob);

    /// Add a node before those that its parent has, or find the one that is there.
    void node(const std::string& path);
    /// Remove a node with all below it, where it is there.
    void remove_node(const std::string& path);

    void set_text(const std::string& path, const char* property, std::string_view text);
    void set_texts(const std::string& path, const char* property,
                   std::initializer_list<std::string_view> texts);
    void set_cells(const std::string& path, const char* property, std::span<const std::uint32_t> cells);
    void set_cell(const std::string& path, const char* property, std::uint32_t cell);
    /// A property that only is there.
    void set_flag(const std::string& path, const char* property);

    /// The cell of a property, or `fallback` where there is none.
    [[nodiscard]] std::uint32_t cell(const std::string& path, const char* property,
                                     std::uint32_t fallback) const;
    /// The path of the node with that phandle, "" for none.
    [[nodiscard]] std::string node_of(std::uint32_t phandle) const;

    /// The blob, no larger than it has to be.
    [[nodiscard]] Result<std::vector<std::byte>> finish();

  private:
    [[nodiscard]] int offset(const std::string& path) const;
    void set(const std::string& path, const char* property, const void* value, std::size_t size);
    void check(int result);

    std::vector<std::byte> blob_;
    int error_ = 0;
};

} // namespace hvisor::zone
