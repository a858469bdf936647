// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "format.hpp"
#include "objects.hpp"
#include "output.hpp"
#include "queue_numbers.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <print>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct TopArguments {
    double interval = 1;
    std::uint64_t iterations = 0; ///< 0: until it is interrupted
};

/// The numbers of each device at one moment, by its path.
struct Sample {
    Clock::time_point time;
    std::map<std::string, QueueNumbers> devices;
};

Sample sample_of(const std::vector<ZoneObjects>& zones) {
    Sample sample{.time = Clock::now(), .devices = {}};
    for (const auto& [zone, devices] : zones) {
        for (const Object& device : devices) {
            QueueNumbers all;
            for (const QueueNumbers& queue : queue_numbers(device)) {
                all += queue;
            }
            sample.devices.emplace(device.path, std::move(all));
        }
    }
    return sample;
}

Table table_of(const std::vector<ZoneObjects>& zones, const Sample& before, const Sample& now) {
    Table table({{.title = "ZONE"},
                 {.title = "STATE", .is_state = true},
                 {.title = "DEVICE"},
                 {.title = "DRIVER", .is_state = true},
                 {.title = "REQUESTS/S", .align_right = true},
                 {.title = "BYTES/S", .align_right = true},
                 {.title = "INTERRUPTS/S", .align_right = true},
                 {.title = "ERRORS", .align_right = true},
                 {.title = "99 %", .align_right = true}});
    const double seconds = std::chrono::duration<double>(now.time - before.time).count();
    const auto rate = [&](std::uint64_t count) { return short_number(static_cast<double>(count) / seconds); };
    for (const auto& [zone, devices] : zones) {
        const auto name = value_of<std::string>(zone.properties, "Name");
        const auto state = value_of<std::string>(zone.properties, "State");
        if (devices.empty()) {
            table.add({name, state});
        }
        for (const Object& device : devices) {
            const auto earlier = before.devices.find(device.path);
            const QueueNumbers& numbers = now.devices.at(device.path);
            const auto passed =
                earlier == before.devices.end() ? QueueNumbers{} : numbers.since(earlier->second);
            constexpr double quantile = 0.99;
            table.add({name, state, value_of<std::string>(device.properties, "Id"),
                       driver_state(value_of<std::uint32_t>(device.properties, "Status")),
                       rate(passed.requests), rate(passed.bytes), rate(passed.interrupts),
                       std::to_string(passed.errors), quantile_text(passed, quantile)});
        }
    }
    return table;
}

/// On a terminal each table takes the place of the one before.
void show(const Table& table) {
    const bool is_terminal = isatty(STDOUT_FILENO) == 1;
    if (is_terminal) {
        std::print("\033[H\033[2J");
    }
    std::print("{}", table.text(style_of_output(true)));
    if (!is_terminal) {
        std::println();
    }
    static_cast<void>(std::fflush(stdout));
}

Outcome<void> top(Client& client, const TopArguments& arguments) {
    auto zones = all_zones(client);
    if (!zones) {
        return std::unexpected(zones.error());
    }
    Sample before = sample_of(*zones);
    for (std::uint64_t turn = 0; arguments.iterations == 0 || turn < arguments.iterations; ++turn) {
        std::this_thread::sleep_for(std::chrono::duration<double>(arguments.interval));
        zones = all_zones(client);
        if (!zones) {
            return std::unexpected(zones.error());
        }
        Sample now = sample_of(*zones);
        show(table_of(*zones, before, now));
        before = std::move(now);
    }
    return {};
}

} // namespace

void add_top(CLI::App& app, Command& command) {
    auto arguments = std::make_shared<TopArguments>();
    auto* verb = app.add_subcommand("top", "Show what devices do, again and again, until it is interrupted");
    constexpr double shortest = 0.1;
    constexpr double longest = 3600;
    verb->add_option("-d,--delay", arguments->interval, "Seconds between two tables, 1 by default")
        ->type_name("SECONDS")
        ->check(CLI::Range(shortest, longest));
    verb->add_option("-n,--iterations", arguments->iterations, "End after so many tables")->type_name("N");
    verb->callback(
        [&command, arguments] { command = [arguments](Client& client) { return top(client, *arguments); }; });
}

} // namespace hvisor::cli
