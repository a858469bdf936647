// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "job_run.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <format>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

std::vector<std::string> words_of(bool no_wait) {
    auto words = job_option_words(no_wait);
    words.insert(words.begin(), "a{sv}");
    return words;
}

struct Ending {
    std::string zone;
    std::optional<double> patience{}; ///< seconds
    bool no_wait = false;
};

/// Ends a zone whose operating system is asked first.
struct Polite {
    const char* method; ///< of the zone's object
    const char* doing;  ///< "shutting {} down"
    Dictionary (ZoneProxy::*call)(const Dictionary&);
};

Outcome<void> end_politely(Client& client, const Ending& ending, const Polite& way, const Output& output) {
    const auto row = client.find_zone(ending.zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    auto words = words_of(ending.no_wait);
    std::optional<std::uint64_t> patience;
    if (ending.patience) {
        constexpr double microseconds = 1e6;
        patience = static_cast<std::uint64_t>(*ending.patience * microseconds);
        words.at(1) = std::to_string(std::stoul(words.at(1)) + 1);
        words.insert(words.end(), {"timeout-usec", "t", std::to_string(*patience)});
    }
    client.tell(row->path, ZoneProxy::INTERFACE_NAME, way.method, words);
    const BeginJob begin = [&](Dictionary options) {
        if (patience) {
            options.emplace("timeout-usec", sdbus::Variant(*patience));
        }
        return client.zone(row->path, [&](ZoneProxy& proxy) { return (proxy.*way.call)(options); });
    };
    return run_job(client, begin, std::vformat(way.doing, std::make_format_args(row->name)), ending.no_wait,
                   output);
}

Outcome<void> kill(Client& client, const Ending& ending, const Output& output) {
    const auto row = client.find_zone(ending.zone);
    if (!row) {
        return std::unexpected(row.error());
    }
    client.tell(row->path, ZoneProxy::INTERFACE_NAME, "Kill", words_of(ending.no_wait));
    const BeginJob begin = [&](const Dictionary& options) {
        return client.zone(row->path, [&](ZoneProxy& proxy) { return proxy.Kill(options); });
    };
    return run_job(client, begin, std::format("killing {}", row->name), ending.no_wait, output);
}

/// How long the zone's operating system has.
void add_patience(CLI::App& verb, Ending& ending) {
    constexpr double longest = 86400;
    verb.add_option("--timeout", ending.patience,
                    "Seconds that its system has to power itself off, 60 if nothing is said, 0 not to ask it")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, longest));
}

/// "ZONE", or upstream's "-id N".
void add_shutdown(CLI::App& zone, Command& command, const Output& output) {
    auto* verb = zone.add_subcommand(
        "shutdown", "Shut a zone down; its system is asked first, if it has an agent or a keyboard");
    auto ending = std::make_shared<Ending>();
    auto* positional =
        verb->add_option("zone", ending->zone, "Name or number of the zone")->type_name("ZONE");
    auto* id = verb->add_option("--id", ending->zone, "Number of the zone; also written -id")->type_name("N");
    positional->excludes(id);
    add_patience(*verb, *ending);
    const auto no_wait = add_no_wait(*verb);
    verb->callback([&command, &output, ending, no_wait] {
        if (ending->zone.empty()) {
            throw CLI::RequiredError("zone");
        }
        ending->no_wait = *no_wait;
        command = [=, &output](Client& client) {
            return end_politely(
                client, *ending,
                {.method = "Shutdown", .doing = "shutting {} down", .call = &ZoneProxy::Shutdown}, output);
        };
    });
}

void add_kill(CLI::App& zone, Command& command, const Output& output) {
    auto* verb = zone.add_subcommand("kill", "Take a zone's CPUs away from it, at once");
    auto ending = std::make_shared<Ending>();
    verb->add_option("zone", ending->zone, "Name or number of the zone")->type_name("ZONE")->required();
    const auto no_wait = add_no_wait(*verb);
    verb->callback([&command, &output, ending, no_wait] {
        ending->no_wait = *no_wait;
        command = [=, &output](Client& client) { return kill(client, *ending, output); };
    });
}

} // namespace

void add_zone_end(CLI::App& zone, Command& command, const Output& output) {
    add_shutdown(zone, command, output);
    add_kill(zone, command, output);

    auto* again = zone.add_subcommand(
        "restart", "Shut a zone down in the same way and start it again, with its files as they are now");
    auto restarted = std::make_shared<Ending>();
    again->add_option("zone", restarted->zone, "Name or number of the zone")->type_name("ZONE")->required();
    add_patience(*again, *restarted);
    const auto leaves = add_no_wait(*again);
    again->callback([&command, &output, restarted, leaves] {
        restarted->no_wait = *leaves;
        command = [=, &output](Client& client) {
            return end_politely(client, *restarted,
                                {.method = "Restart", .doing = "restarting {}", .call = &ZoneProxy::Restart},
                                output);
        };
    });
}

} // namespace hvisor::cli
