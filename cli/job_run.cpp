// SPDX-License-Identifier: Apache-2.0
#include "job_run.hpp"

#include "json.hpp"
#include "listener.hpp"
#include "progress.hpp"

#include "base/error_table.hpp"

#include <CLI/CLI.hpp>

#include <atomic>
#include <cstdint>
#include <format>
#include <optional>
#include <print>
#include <string_view>
#include <tuple>
#include <utility>

namespace hvisor::cli {
namespace {

/// How a job has ended, as the method that began it would have said.
Outcome<Dictionary> result_of(const Dictionary& job) {
    if (value_of<std::string>(job, "State") == "done") {
        return job;
    }
    const auto error = value_of<sdbus::Struct<std::string, std::string>>(job, "Error");
    const auto* row = error_row(std::string_view(std::get<0>(error)));
    return fail(row != nullptr ? row->exit_status : 1, std::get<1>(error));
}

/// What a method that waits would have replied: the zone, too, that was started.
Outcome<Dictionary> with_zone(Client& client, Dictionary results, const Dictionary& job) {
    if (value_of<std::string>(job, "Operation") != "shutdown") {
        auto zone = client.find_zone(value_of<std::string>(job, "Zone"));
        if (!zone) {
            return std::unexpected(std::move(zone.error()));
        }
        results.emplace("Zone", sdbus::Variant(zone->path));
    }
    return results;
}

} // namespace

std::shared_ptr<bool> add_no_wait(CLI::App& verb) {
    auto no_wait = std::make_shared<bool>(false);
    auto* const waits = verb.add_flag("--wait", "Wait for its end, as it does if nothing is said");
    verb.add_flag("--no-wait", *no_wait, "Do not wait for its end, print the number of the job")
        ->excludes(waits);
    return no_wait;
}

std::vector<std::string> job_option_words(bool no_wait) {
    return no_wait ? std::vector<std::string>{"1", "wait", "b", "false"} : std::vector<std::string>{"0"};
}

Outcome<Dictionary> follow_job(Client& client, const sdbus::ObjectPath& path, Patience patience,
                               std::string text, bool quiet) {
    Dictionary job;
    std::atomic<unsigned> percent = 0;
    // One that has loaded nothing yet, or shuts a zone down, says nothing.
    const Progress progress(std::move(text), quiet, [&percent]() -> std::optional<unsigned> {
        const unsigned now = percent;
        return now != 0 ? std::optional(now) : std::nullopt;
    });
    Listener listener;
    if (patience) {
        listener.give_up_after(*patience);
    }
    const auto look = [&] {
        percent = value_of<std::uint32_t>(job, "Progress");
        const auto state = value_of<std::string>(job, "State");
        if (state != "waiting" && state != "running") {
            listener.finish({});
        }
    };
    const auto begin = [&] {
        if (auto now = client.job_properties(path)) {
            job = std::move(*now);
            look();
        } else {
            listener.finish(std::unexpected(std::move(now.error())));
        }
    };
    // What a signal tells is enough: a daemon that ends finishes its jobs before,
    // and can then no longer be asked.
    const auto change = [&](sdbus::Message& message) {
        if (std::string_view(message.getMemberName()) == "PropertiesChanged") {
            std::string interface;
            Dictionary changed;
            message >> interface >> changed;
            changed.merge(job);
            job = std::move(changed);
            look();
        }
    };
    const auto lost = [&] {
        listener.finish(fail(exit_unreachable, std::format("hvisord has gone before the end of job {}",
                                                           path.substr(path.rfind('/') + 1))));
    };
    const auto attended = [&](bool is_there) {
        if (!is_there) {
            lost();
        }
    };
    return listener
        .run(client.connection(), path, {.signal = change, .attended = attended, .disconnected = lost}, begin)
        .and_then([&] { return result_of(job); });
}

Outcome<void> run_job(Client& client, const BeginJob& begin, std::string text, bool no_wait,
                      const Output& output) {
    auto results = begin({{"wait", sdbus::Variant(false)}});
    if (!results) {
        return std::unexpected(std::move(results.error()));
    }
    const auto path = value_of<sdbus::ObjectPath>(*results, "Job");
    if (!no_wait) {
        const auto job = follow_job(client, path, {}, std::move(text), output.quiet);
        if (!job) {
            return std::unexpected(job.error());
        }
        if (output.json) {
            results = with_zone(client, std::move(*results), *job);
        }
    }
    if (!results) {
        return std::unexpected(std::move(results.error()));
    }
    if (output.json) {
        std::print("{}", to_json(*results));
    } else if (no_wait) {
        std::println("job {}", path.substr(path.rfind('/') + 1));
    }
    return {};
}

} // namespace hvisor::cli
