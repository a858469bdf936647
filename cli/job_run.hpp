// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "failure.hpp"
#include "output.hpp"
#include "waiting.hpp"

#include <CLI/App.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hvisor::cli {

/// The flags --wait and --no-wait of verbs that begin a job; whether the second one was given.
[[nodiscard]] std::shared_ptr<bool> add_no_wait(CLI::App& verb);

/// Options of the method that begins a job, as words for Client::tell().
[[nodiscard]] std::vector<std::string> job_option_words(bool no_wait);

/// Wait for the end of the job at `path`, with its progress on stderr, where it
/// is called `text`. What it was at its end, or its error.
[[nodiscard]] Outcome<Dictionary> follow_job(Client& client, const sdbus::ObjectPath& path, Patience patience,
                                             std::string text, bool quiet);

/// Calls a method with options that have it reply at once; what it has replied.
using BeginJob = std::function<Outcome<Dictionary>(const Dictionary& options)>;

/// Begin a job and follow it to its end, or with `no_wait` print its number.
[[nodiscard]] Outcome<void> run_job(Client& client, const BeginJob& begin, std::string text, bool no_wait,
                                    const Output& output);

} // namespace hvisor::cli
