// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hvisor::cli {

/// CPU numbers as the kernel writes lists of them: "0-3,6"; "none" when empty.
[[nodiscard]] std::string cpu_list(std::span<const std::uint32_t> cpus);

/// The bits of a virtio device status by their names, "ACKNOWLEDGE|DRIVER"
/// (virtio 1.2, 2.1); "RESET" for 0. Bits without a name are given as a number.
[[nodiscard]] std::string status_names(std::uint32_t status);

/// How far a driver has come with a device of this status, in a word or two.
[[nodiscard]] std::string driver_state(std::uint32_t status);

/// Microseconds in the unit that reads best: "3.2 ms", "12 s".
[[nodiscard]] std::string duration(std::uint64_t microseconds);

/// Text from a zone's configuration, made safe for a terminal.
[[nodiscard]] std::string printable(std::string_view text);

/// Bytes, or any number, with a letter for powers of 1000: "3.2M".
[[nodiscard]] std::string short_number(double number);

/// Columns as wide as their widest cell, two spaces between them.
class Table {
  public:
    struct Column {
        std::string title;
        bool align_right = false;
        bool is_state = false; ///< of a zone, job or driver: the words have colours
    };

    explicit Table(std::vector<Column> columns);

    /// One cell a column.
    void add(std::vector<std::string> cells);

    struct Style {
        bool titles = true;
        std::size_t width = 0; ///< what is longer is cut, which "..." shows; 0 for no limit
        bool colors = false;   ///< by ECMA-48's sequences
    };
    [[nodiscard]] std::string text(const Style& style) const;

  private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

} // namespace hvisor::cli
