// SPDX-License-Identifier: Apache-2.0
// The real program with a simulated hypervisor on a bus of its own.
#include "cases.hpp"
#include "measure.hpp"
#include "programs.hpp"

#include <chrono>
#include <cstdlib>
#include <format>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace hvisor::bench {
namespace {

/// RssAnon, exactly: the counter of that name in `status` may be off by some
/// hundred KiB, because each CPU counts by itself for a while.
double rss_anon_kib(pid_t process) {
    constexpr std::string_view key = "Anonymous:";
    std::ifstream file(std::format("/proc/{}/smaps_rollup", process));
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(key)) {
            return std::strtod(line.c_str() + key.size(), nullptr);
        }
    }
    throw std::runtime_error("hvisord is gone");
}

double milliseconds_since(Clock::time_point begin) {
    return 1e3 * Seconds(Clock::now() - begin).count();
}

} // namespace

void process_case(Bench& bench) {
    const auto& options = bench.options;
    if (options.hvisord.empty() || options.hvisorctl.empty()) {
        throw std::runtime_error("give --hvisord and --hvisorctl");
    }
    const Folder folder;
    folder.write("Image", std::string(65536, 'k'));
    folder.write_zone(1);
    folder.write_zone(2);
    std::optional<Bus> bus;
    on_cpu(bench.cpus.guest, [&] { bus.emplace(); });
    Series ready;
    Series load;
    Series empty;
    Series first;
    Series second;
    for (unsigned i = 0; i < options.runs; ++i) {
        const auto socket = folder.path(std::format("notify{}", i));
        const Notifications notifications(socket);
        auto begin = Clock::now();
        const Process daemon({options.hvisord, "--simulated", "--bus=" + bus->address(),
                              "--config-dir=" + folder.path("none")},
                             {"NOTIFY_SOCKET=" + socket});
        notifications.wait_for_ready();
        ready.add(milliseconds_since(begin));

        const auto settled = [&daemon] {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            return rss_anon_kib(daemon.id());
        };
        const auto start_zone = [&](unsigned number) {
            Process client({options.hvisorctl, "--bus=" + bus->address(), "zone", "start",
                            folder.path(std::format("zone{}.json", number)), "--virtio",
                            folder.path(std::format("zone{}.virtio.json", number))});
            if (!client.wait()) {
                throw std::runtime_error("a zone did not start");
            }
            return settled();
        };
        const auto alone = settled();
        const auto with_one = start_zone(1);
        const auto with_two = start_zone(2);
        empty.add(alone / 1024);
        first.add(with_one - alone);
        second.add(with_two - with_one);

        begin = Clock::now();
        Process version({options.hvisord, "--version"});
        version.wait();
        load.add(milliseconds_since(begin));
    }
    bench.rows.push_back({.name = "RssAnon of the daemon with no zone",
                          .unit = "MiB",
                          .upstream = "",
                          .goal = "≤ 8 MiB",
                          .lower_is_better = true,
                          .bound = 8,
                          .ours = empty.median()});
    for (const auto& [name, series] : {std::pair{"first", &first}, std::pair{"second", &second}}) {
        bench.rows.push_back({.name = std::format("RssAnon of the {} zone, with block and console", name),
                              .unit = "KiB",
                              .upstream = "",
                              .goal = "≤ 512 KiB",
                              .lower_is_better = true,
                              .bound = 512,
                              .ours = series->median()});
    }
    bench.rows.push_back({.name = "ready after start",
                          .unit = "ms",
                          .upstream = "",
                          .goal = "≤ 30 ms",
                          .lower_is_better = true,
                          .bound = 30,
                          .ours = ready.median(),
                          .limit = load.median(),
                          .limit_name = "hvisord --version"});
}

} // namespace hvisor::bench
