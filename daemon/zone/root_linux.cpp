// SPDX-License-Identifier: Apache-2.0
#include "zone/root_linux.hpp"

#include "zone/live_tree.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>
#include <system_error>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

template <class T>
std::optional<T> parse(std::string_view text, int base) {
    T number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

/// "40000000-7fffffff : System RAM" as a range. An indented line is part of the one above it.
std::optional<ReservedRange> parse_system_ram(std::string_view line) {
    constexpr std::string_view name = " : System RAM";
    const std::size_t dash = line.find('-');
    if (!line.ends_with(name) || dash == std::string_view::npos) {
        return std::nullopt;
    }
    line.remove_suffix(name.size());
    const auto first = parse<std::uint64_t>(line.substr(0, dash), 16);
    const auto last = parse<std::uint64_t>(line.substr(dash + 1), 16);
    if (!first || !last || *last <= *first) { // the kernel shows zeros to those who may not know
        return std::nullopt;
    }
    return ReservedRange{"System RAM", *first, *last - *first + 1};
}

/// "13: 120 0 GICv3 30 Level arch_timer": the number before the trigger is the
/// controller's, and only of these controllers it is what a zone file writes.
std::optional<UsedInterrupt> parse_interrupt(const std::string& line) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; stream >> word;) {
        words.push_back(word);
    }
    const auto trigger = std::ranges::find_if(
        words, [](const std::string& word) { return word == "Level" || word == "Edge"; });
    if (trigger - words.begin() < 2) {
        return std::nullopt;
    }
    const std::string& controller = *(trigger - 2);
    const auto id = parse<std::uint32_t>(*(trigger - 1), 10);
    if (!id ||
        !(controller.starts_with("GIC") || controller.ends_with("PLIC") || controller.contains("APLIC"))) {
        return std::nullopt;
    }
    std::string user;
    for (auto word = trigger + 1; word != words.end(); ++word) {
        user += (user.empty() ? "" : " ") + *word;
    }
    return UsedInterrupt{*id, user};
}

std::vector<std::uint64_t> read_cpu_ids(const fs::path& device_tree) {
    const fs::path cpus = device_tree / "cpus";
    const std::size_t cells = live_cell_count(cpus / "#address-cells");
    std::vector<std::uint64_t> ids;
    std::error_code error;
    for (fs::directory_iterator node(cpus, error), end; !error && node != end; node.increment(error)) {
        const auto reg = read_live_cells(node->path() / "reg");
        if (node->path().filename().native().starts_with("cpu@") && reg.size() >= cells) {
            ids.push_back(join_cells(std::span(reg).first(cells)));
        }
    }
    std::ranges::sort(ids);
    return ids;
}

} // namespace

RootLinux look_at_root_linux(const fs::path& proc, const fs::path& device_tree) {
    RootLinux root;
    std::ifstream iomem(proc / "iomem");
    for (std::string line; std::getline(iomem, line);) {
        if (auto range = parse_system_ram(line)) {
            root.system_ram.push_back(std::move(*range));
        }
    }
    std::ifstream interrupts(proc / "interrupts");
    for (std::string line; std::getline(interrupts, line);) {
        if (auto interrupt = parse_interrupt(line)) {
            root.interrupts.push_back(std::move(*interrupt));
        }
    }
    root.cpu_ids = read_cpu_ids(device_tree);
    return root;
}

} // namespace hvisor::zone
