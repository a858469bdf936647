// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <cstddef>
#include <cstdio>
#include <print>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace hvisor::cli {
namespace {

/// Characters in a line of the terminal on standard output; 0 when that is none.
std::size_t terminal_width() {
    winsize size{};
    return isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

} // namespace

void Output::print(const Table& table) const {
    std::print("{}", table.text({.titles = legend, .width = terminal_width()}));
}

void print_lines(std::string_view begin, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        std::println(stderr, "{}{}", begin, line);
    }
}

void add_output_options(CLI::App& app, Output& output) {
    app.fallthrough();
    app.add_option_function<std::string>(
           "-o,--output",
           [&output](const std::string& format) {
               output.json = format == "json";
               output.openmetrics = format == "openmetrics";
           },
           "How to print: table, json, or of stats openmetrics")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"table", "json", "openmetrics"}));
    app.add_flag_callback("--no-legend", [&output] { output.legend = false; }, "Tables without titles");
    app.add_flag_callback(
        "-q,--quiet", [&output] { output.quiet = true; }, "Print nothing but results and errors");
}

} // namespace hvisor::cli
