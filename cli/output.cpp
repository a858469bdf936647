// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <print>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

namespace hvisor::cli {
namespace {

/// What a variable of the environment says; "" when it is not set.
std::string_view said(const char* variable) {
    const char* const value = std::getenv(variable); // NOLINT(concurrency-mt-unsafe): nothing sets any
    return value == nullptr ? "" : value;
}

} // namespace

Table::Style style_of_output(bool titles) {
    winsize size{};
    if (isatty(STDOUT_FILENO) != 1 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
        return {.titles = titles};
    }
    return {
        .titles = titles, .width = size.ws_col, .colors = said("NO_COLOR").empty() && said("TERM") != "dumb"};
}

void Output::print(const Table& table) const {
    std::print("{}", table.text(style_of_output(legend)));
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
