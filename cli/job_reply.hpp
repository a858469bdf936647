// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "failure.hpp"
#include "output.hpp"

#include <CLI/App.hpp>

#include <memory>
#include <string>
#include <vector>

namespace hvisor::cli {

/// The flag --no-wait of verbs that begin a job.
[[nodiscard]] std::shared_ptr<bool> add_no_wait(CLI::App& verb);

/// Options of a method that begins a job.
[[nodiscard]] Dictionary job_options(bool no_wait);

/// The same as words for Client::tell().
[[nodiscard]] std::vector<std::string> job_option_words(bool no_wait);

/// What such a method has replied: the number of the job is printed for who
/// does not wait for its end.
[[nodiscard]] Outcome<void> report_job(const Outcome<Dictionary>& results, bool no_wait,
                                       const Output& output);

} // namespace hvisor::cli
