// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "format.hpp"

#include <CLI/App.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace hvisor::cli {

/// How to print what a command found; set by options before any command runs.
struct Output {
    bool json = false;        ///< for programs; else tables and text for people
    bool openmetrics = false; ///< for monitoring; only what has numbers can
    bool legend = true;       ///< titles above tables
    bool quiet = false;       ///< nothing but results and errors

    void print(const Table& table) const;
};

/// How a table looks on standard output: on a terminal no wider than it is, and with
/// colours unless NO_COLOR says something (no-color.org) or it knows of none.
[[nodiscard]] Table::Style style_of_output(bool titles);

/// Lines of what is no result, each behind `begin`, to standard error.
void print_lines(std::string_view begin, const std::vector<std::string>& lines);

/// The options, which may stand before or after a command.
void add_output_options(CLI::App& app, Output& output);

} // namespace hvisor::cli
