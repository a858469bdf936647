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

    /// On a terminal no line is longer than its width.
    void print(const Table& table) const;
};

/// Lines of what is no result, each behind `begin`, to standard error.
void print_lines(std::string_view begin, const std::vector<std::string>& lines);

/// The options, which may stand before or after a command.
void add_output_options(CLI::App& app, Output& output);

} // namespace hvisor::cli
