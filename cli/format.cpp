// SPDX-License-Identifier: Apache-2.0
#include "format.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <string_view>
#include <utility>

namespace hvisor::cli {

std::string cpu_list(std::span<const std::uint32_t> cpus) {
    std::string text;
    for (std::size_t first = 0; first < cpus.size();) {
        std::size_t last = first;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) {
            ++last;
        }
        text += text.empty() ? "" : ",";
        text += std::to_string(cpus[first]);
        if (last > first) {
            text += '-' + std::to_string(cpus[last]);
        }
        first = last + 1;
    }
    return text.empty() ? "none" : text;
}

std::string status_names(std::uint32_t status) {
    static constexpr std::array<std::pair<std::uint32_t, std::string_view>, 6> bits = {{
        {1, "ACKNOWLEDGE"},
        {2, "DRIVER"},
        {8, "FEATURES_OK"},
        {4, "DRIVER_OK"},
        {64, "DEVICE_NEEDS_RESET"},
        {128, "FAILED"},
    }};
    if (status == 0) {
        return "RESET";
    }
    std::string text;
    for (const auto& [bit, name] : bits) {
        if ((status & bit) != 0) {
            text += text.empty() ? "" : "|";
            text += name;
            status &= ~bit;
        }
    }
    if (status != 0) {
        text += std::format("{}{:#x}", text.empty() ? "" : "|", status);
    }
    return text;
}

std::string driver_state(std::uint32_t status) {
    constexpr std::uint32_t driver_ok = 4;
    constexpr std::uint32_t needs_reset = 64;
    constexpr std::uint32_t failed = 128;
    if ((status & failed) != 0) {
        return "failed";
    }
    if ((status & needs_reset) != 0) {
        return "needs reset";
    }
    if ((status & driver_ok) != 0) {
        return "works";
    }
    return status == 0 ? "none" : "starting";
}

std::string duration(std::uint64_t microseconds) {
    const auto value = static_cast<double>(microseconds);
    if (microseconds < 1000) {
        return std::format("{} us", microseconds);
    }
    if (microseconds < 1'000'000) {
        return std::format("{:.1f} ms", value / 1e3);
    }
    if (microseconds < 60'000'000) {
        return std::format("{:.1f} s", value / 1e6);
    }
    return std::format("{} min {} s", microseconds / 60'000'000, microseconds / 1'000'000 % 60);
}

std::string printable(std::string_view text) {
    std::string result(text);
    std::ranges::replace_if(result, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return result;
}

std::string short_number(double number) {
    constexpr double step = 1000;
    std::string_view letters = " kMGTPE";
    while (number >= step && letters.size() > 1) {
        number /= step;
        letters.remove_prefix(1);
    }
    return letters.front() == ' ' ? std::format("{:.0f}", number)
                                  : std::format("{:.1f}{}", number, letters.front());
}

namespace {

/// The colour of a state, as systemctl has them: green for good news, red for bad ones,
/// yellow for what is on its way; "" for what is none of it.
std::string_view color_of(std::string_view state) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> colors = {{
        {"running", "\033[32m"},
        {"works", "\033[32m"},
        {"done", "\033[32m"},
        {"failed", "\033[31m"},
        {"needs reset", "\033[31m"},
        {"cancelled", "\033[31m"},
        {"starting", "\033[33m"},
        {"stopping", "\033[33m"},
        {"waiting", "\033[33m"},
    }};
    const auto* const found = std::ranges::find(colors, state, [](const auto& color) { return color.first; });
    return found == colors.end() ? std::string_view() : found->second;
}

} // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) {
    std::ranges::transform(cells, cells.begin(), printable);
    cells.resize(columns_.size());
    rows_.push_back(std::move(cells));
}

std::string Table::text(const Style& style) const {
    std::vector<std::size_t> widths;
    std::vector<std::string> titles;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = style.titles ? columns_[i].title.size() : 0;
        for (const auto& row : rows_) {
            width = std::max(width, row[i].size());
        }
        widths.push_back(width);
        titles.push_back(columns_[i].title);
    }
    std::string result;
    const auto add_line = [&](const std::vector<std::string>& cells) {
        std::string line;
        std::vector<std::size_t> begins;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            line += i == 0 ? "" : "  ";
            begins.push_back(line.size());
            line += columns_[i].align_right ? std::format("{:>{}}", cells[i], widths[i])
                                            : std::format("{:<{}}", cells[i], widths[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        constexpr std::string_view cut = "...";
        if (style.width > cut.size() && line.size() > style.width) {
            line.replace(style.width - cut.size(), std::string::npos, cut);
        }
        // Colours take no place on the terminal; from behind, so that the places before stay.
        for (std::size_t i = style.colors ? cells.size() : 0; i-- > 0;) {
            const auto color = columns_[i].is_state ? color_of(cells[i]) : "";
            if (!color.empty() && line.compare(begins[i], cells[i].size(), cells[i]) == 0) {
                line.insert(begins[i] + cells[i].size(), "\033[0m").insert(begins[i], color);
            }
        }
        result += line + '\n';
    };
    if (style.titles) {
        add_line(titles);
    }
    std::ranges::for_each(rows_, add_line);
    return result;
}

} // namespace hvisor::cli
