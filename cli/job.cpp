// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"
#include "job_run.hpp"
#include "json.hpp"
#include "waiting.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <format>
#include <memory>
#include <print>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

using JobError = sdbus::Struct<std::string, std::string>;

const sdbus::InterfaceName job_interface{JobProxy::INTERFACE_NAME};

struct JobArguments {
    std::uint32_t id = 0;
    Patience patience;
};

/// The properties of every job, by their numbers.
Outcome<std::vector<JsonObject>> all_jobs(Client& client) {
    const auto objects = client.objects();
    if (!objects) {
        return std::unexpected(objects.error());
    }
    std::vector<JsonObject> jobs;
    for (const auto& [path, interfaces] : *objects) {
        if (const auto job = interfaces.find(job_interface); job != interfaces.end()) {
            JsonObject object{{"Path", sdbus::Variant(path)}};
            for (const auto& [name, value] : job->second) {
                object.emplace(std::string(name), value);
            }
            jobs.push_back(std::move(object));
        }
    }
    std::ranges::sort(jobs, {}, [](const JsonObject& job) { return value_of<std::uint32_t>(job, "Id"); });
    return jobs;
}

std::string error_text(const JsonObject& job) {
    return std::get<1>(value_of<JobError>(job, "Error"));
}

Outcome<void> list(Client& client, const Output& output) {
    const auto jobs = all_jobs(client);
    if (!jobs) {
        return std::unexpected(jobs.error());
    }
    if (output.json) {
        std::print("{}", to_json(*jobs));
        return {};
    }
    Table table({{.title = "JOB", .align_right = true},
                 {.title = "OPERATION"},
                 {.title = "ZONE"},
                 {.title = "STATE", .is_state = true},
                 {.title = "DONE", .align_right = true},
                 {.title = "ERROR"}});
    for (const auto& job : *jobs) {
        table.add({std::to_string(value_of<std::uint32_t>(job, "Id")),
                   value_of<std::string>(job, "Operation"), value_of<std::string>(job, "Zone"),
                   value_of<std::string>(job, "State"),
                   std::format("{} %", value_of<std::uint32_t>(job, "Progress")), error_text(job)});
    }
    output.print(table);
    return {};
}

Outcome<void> wait(Client& client, const JobArguments& arguments, const Output& output) {
    const auto path = job_path(arguments.id);
    client.tell(path, "org.freedesktop.DBus.Properties", "GetAll", {"s", JobProxy::INTERFACE_NAME});
    const auto job = client.job_properties(path);
    if (!job) {
        return std::unexpected(job.error());
    }
    auto text = std::format("{} of {}", value_of<std::string>(*job, "Operation"),
                            value_of<std::string>(*job, "Zone"));
    return follow_job(client, path, arguments.patience, std::move(text), output.quiet)
        .transform([](const Dictionary&) {});
}

Outcome<void> cancel(Client& client, std::uint32_t id) {
    const auto path = job_path(id);
    if (const auto job = client.job_properties(path); !job) {
        return std::unexpected(job.error());
    }
    client.tell(path, JobProxy::INTERFACE_NAME, "Cancel", {"a{sv}", "0"});
    return client.job(path, [](JobProxy& proxy) { proxy.Cancel({}); });
}

void add_id(CLI::App& verb, JobArguments& arguments) {
    verb.add_option("job", arguments.id, "Number of the job, as 'job list' has it")
        ->type_name("JOB")
        ->required();
}

} // namespace

void add_job_commands(CLI::App& app, Command& command, const Output& output) {
    auto* job = app.add_subcommand("job", "What the daemon is busy with: list, wait, cancel");
    job->require_subcommand(1);
    job->add_subcommand("list",
                        "List what is being started and shut down, and what ended in the last ten seconds")
        ->callback(
            [&command, &output] { command = [&output](Client& client) { return list(client, output); }; });

    auto arguments = std::make_shared<JobArguments>();
    auto* waiting = job->add_subcommand("wait", "Wait for the end of a job, and end as it does");
    add_id(*waiting, *arguments);
    add_timeout(*waiting, arguments->patience);
    waiting->callback([&command, &output, arguments] {
        command = [arguments, &output](Client& client) { return wait(client, *arguments, output); };
    });

    auto* cancelling = job->add_subcommand("cancel", "Give a job up");
    add_id(*cancelling, *arguments);
    cancelling->callback([&command, arguments] {
        command = [arguments](Client& client) { return cancel(client, arguments->id); };
    });
}

} // namespace hvisor::cli
