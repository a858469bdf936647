// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <CLI/CLI.hpp>

#include <print>
#include <string>

namespace hvisor::cli {

void Output::print(const Table& table) const {
    std::print("{}", legend ? table.text() : table.rows_text());
}

void add_output_options(CLI::App& app, Output& output) {
    app.fallthrough();
    app.add_option_function<std::string>(
           "-o,--output", [&output](const std::string& format) { output.json = format == "json"; },
           "How to print: table or json")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"table", "json"}));
    app.add_flag_callback("--no-legend", [&output] { output.legend = false; }, "Tables without titles");
}

} // namespace hvisor::cli
