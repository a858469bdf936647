// SPDX-License-Identifier: Apache-2.0
#include "job_reply.hpp"

#include "json.hpp"

#include <CLI/CLI.hpp>

#include <print>
#include <string>

namespace hvisor::cli {

std::shared_ptr<bool> add_no_wait(CLI::App& verb) {
    auto no_wait = std::make_shared<bool>(false);
    verb.add_flag("--no-wait", *no_wait, "Do not wait for its end, print the number of the job");
    return no_wait;
}

Dictionary job_options(bool no_wait) {
    return no_wait ? Dictionary{{"wait", sdbus::Variant(false)}} : Dictionary{};
}

std::vector<std::string> job_option_words(bool no_wait) {
    return no_wait ? std::vector<std::string>{"1", "wait", "b", "false"} : std::vector<std::string>{"0"};
}

Outcome<void> report_job(const Outcome<Dictionary>& results, bool no_wait, const Output& output) {
    if (!results) {
        return std::unexpected(results.error());
    }
    if (output.json) {
        std::print("{}", to_json(*results));
    } else if (no_wait) {
        const std::string path = value_of<sdbus::ObjectPath>(*results, "Job");
        std::println("job {}", path.substr(path.rfind('/') + 1));
    }
    return {};
}

} // namespace hvisor::cli
