// SPDX-License-Identifier: Apache-2.0
//
// Measures the daemon's own code from the bridge to the back ends, with a guest
// that behaves like Linux. No test: it takes minutes, wants two CPUs to itself,
// and says how far each figure is from its goal and from its limit.
#include "cases.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <format>
#include <fstream>
#include <string>

namespace hvisor::bench {
namespace {

constexpr std::array cases{
    Case{"registers", "a register read, answered", registers_case},
    Case{"depth1", "4 KiB cached reads one at a time", depth1_case},
    Case{"hogged", "the same beside a CPU-bound process", hogged_case},
    Case{"depth32", "4 KiB cached reads and writes, 32 in flight", depth32_case},
    Case{"uncached", "4 KiB reads from the disk, 32 in flight", uncached_case},
    Case{"sequential", "128 KiB reads and writes, 8 in flight", sequential_case},
    Case{"flush", "flushes one at a time", flush_case},
    Case{"net", "frames to and from a tap", net_case},
    Case{"console", "output of a console", console_case},
    Case{"gpu", "pictures to a screen that nobody sees", gpu_case},
    Case{"idle", "CPU time of a daemon with little to do", idle_case},
    Case{"process", "memory and readiness of the real program", process_case},
    Case{"successor", "the silence of a disk while hvisord is restarted or killed", successor_case},
    Case{"bus", "reads over D-Bus, and hvisorctl, with 30 zones", bus_case},
};

void describe(CLI::App& app, Options& options) {
    std::string footer = "Cases:";
    std::vector<std::string> names;
    for (const auto& one : cases) {
        footer += std::format("\n  {:<11} {}", one.name, one.what);
        names.emplace_back(one.name);
    }
    app.footer(footer);
    app.add_option("CASE", options.cases, "Cases to measure; without any all")->check(CLI::IsMember(names));
    app.add_option("--seconds", options.seconds, "How long one run takes")->capture_default_str();
    app.add_option("--runs", options.runs, "Runs of which the median counts")
        ->check(CLI::Range(1, 100))
        ->capture_default_str();
    app.add_option("--tmpfs", options.memory_folder, "A folder on tmpfs")->capture_default_str();
    app.add_option("--disk", options.disk_folder, "A folder on a disk; TMPDIR or the current one");
    app.add_option("--image-mib", options.image_mib, "Size of the disk images in MiB")
        ->check(CLI::Range(16, 65536))
        ->capture_default_str();
    app.add_option("--hvisord", options.hvisord, "The daemon's program");
    app.add_option("--hvisorctl", options.hvisorctl, "The client's program");
    app.add_option("--json", options.json, "Write the figures to this file, too");
}

bool is_wanted(const Options& options, const Case& one) {
    return options.cases.empty() || std::ranges::contains(options.cases, one.name);
}

int run(Bench& bench) {
    int failed = 0;
    for (const auto& one : cases) {
        if (!is_wanted(bench.options, one)) {
            continue;
        }
        std::fputs(std::format("hvisor_bench: {}\n", one.name).c_str(), stderr);
        try {
            one.run(bench);
        } catch (const std::exception& error) {
            ++failed;
            bench.rows.push_back({.name = std::string(one.name),
                                  .unit = "",
                                  .upstream = "",
                                  .goal = "",
                                  .note = std::format("failed: {}", error.what())});
        }
    }
    const auto machine = std::format("{}; {} runs of {} s each", describe_machine(), bench.options.runs,
                                     bench.options.seconds);
    std::fputs(std::format("{}.\n\n{}", machine, to_markdown(bench.rows)).c_str(), stdout);
    if (!bench.options.json.empty()) {
        std::ofstream(bench.options.json) << to_json(machine, bench.rows);
    }
    return failed == 0 ? 0 : 1;
}

} // namespace

const Image& Bench::in_memory() {
    if (!memory_image) {
        memory_image.emplace(options.memory_folder, options.image_mib << 20);
    }
    return *memory_image;
}

const Image& Bench::on_disk() {
    if (!disk_image) {
        disk_image.emplace(options.disk_folder, options.image_mib << 20);
    }
    return *disk_image;
}

int main_of(int argc, char** argv) {
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
    Bench bench;
    const char* temporary = std::getenv("TMPDIR");
    bench.options.disk_folder = temporary != nullptr ? temporary : std::filesystem::current_path().native();
    CLI::App app("Measure the daemon with a guest that behaves like Linux", "hvisor_bench");
    describe(app, bench.options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    const auto cpus = choose_cpus();
    if (!cpus) {
        std::fputs(
            "hvisor_bench: needs two CPUs, one for the guest and one for the daemon; nothing measured\n",
            stderr);
        return 1;
    }
    bench.cpus = *cpus;
    // Before any thread is made: whatever the daemon starts stays there.
    pin_to(bench.cpus.daemon);
    return run(bench);
}

} // namespace hvisor::bench

int main(int argc, char** argv) {
    try {
        return hvisor::bench::main_of(argc, argv);
    } catch (const std::exception& error) {
        std::fputs(std::format("hvisor_bench: {}\n", error.what()).c_str(), stderr);
        return 1;
    }
}
