// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"
#include "exec.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <print>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hvisor::cli {
namespace {

/// CLI11 takes arguments in reverse. Upstream's only spelling of a zone's
/// number is "-id", which any option parser reads as "-i -d".
std::vector<std::string> arguments(int argc, char** argv) {
    std::vector<std::string> result;
    for (int i = argc - 1; i > 0; --i) {
        result.emplace_back(std::string_view(argv[i]) == "-id" ? "--id" : argv[i]);
    }
    return result;
}

/// The arguments for the other machine.
std::vector<std::string> without_host(int argc, char** argv) {
    std::vector<std::string> result;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "-H" || word == "--host") {
            ++i;
        } else if (!word.starts_with("-H") && !word.starts_with("--host=")) {
            result.emplace_back(word);
        }
    }
    return result;
}

bool has_metrics(const CLI::App& app) {
    return app.got_subcommand("stats") ||
           (app.got_subcommand("zone") && app.get_subcommand("zone")->got_subcommand("stats"));
}

int run(int argc, char** argv) {
    Address address;
    std::string host;
    bool verbose = false;
    Command command;
    Output output;

    CLI::App app("Start, shut down and look at the zones of an hvisor machine", "hvisorctl");
    app.set_version_flag("--version", "hvisorctl " HVISORD_VERSION, "Print the version");
    auto* bus = app.add_option("--bus", address.bus, "The message bus: system, session or an address");
    bus->type_name("BUS")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_option("--address", address.direct,
                   "Connect to hvisord itself: the path of its socket, or a D-Bus address")
        ->type_name("SOCKET")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
        ->excludes(bus);
    app.add_option("-H,--host", host, "Run the command on another machine, by ssh")
        ->type_name("[USER@]HOST")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_flag("--verbose", verbose, "Say on stderr which busctl command does the same");
    app.set_help_flag("-h,--help", "Print this help");
    app.require_subcommand(1);
    add_output_options(app, output);
    add_zone_commands(app, command, output);
    add_device_commands(app, command, output);
    add_display_commands(app, command, output);
    add_screenshot(app, command, output);
    add_daemon_commands(app, command, output);
    add_job_commands(app, command, output);
    add_monitor(app, command, output);
    add_virtio_commands(app, command, output);
    add_stats(app, command, output);
    add_top(app, command);
    add_config_commands(app, command);

    try {
        app.parse(arguments(argc, argv));
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
            return app.exit(error); // --help and --version
        }
        std::println(stderr, "hvisorctl: {}\nRun with --help for more information.", error.what());
        return exit_usage;
    }

    if (output.openmetrics && !has_metrics(app)) {
        std::println(stderr,
                     "hvisorctl: --output openmetrics: only stats has metrics; expected table or json");
        return exit_usage;
    }

    Client client(std::move(address), verbose);
    const auto outcome = host.empty() ? command(client) : become_remote(host, without_host(argc, argv));
    if (!outcome) {
        std::println(stderr, "hvisorctl: {}", outcome.error().message);
        return outcome.error().exit_status;
    }
    if (std::fflush(stdout) != 0) {
        std::println(stderr, "hvisorctl: cannot write the output");
        return 1;
    }
    return 0;
}

} // namespace
} // namespace hvisor::cli

int main(int argc, char** argv) {
    try {
        return hvisor::cli::run(argc, argv);
    } catch (const std::exception& error) {
        // Nothing throws on purpose this far; say it rather than abort.
        static_cast<void>(std::fprintf(stderr, "hvisorctl: %s\n", error.what()));
        return 1;
    }
}
