// SPDX-License-Identifier: Apache-2.0
// How long a zone's disk is silent while one hvisord ends and the next one begins.
#include "cases.hpp"
#include "guest_disk.hpp"
#include "kit/machine_server.hpp"
#include "kit/service_manager.hpp"
#include "measure.hpp"
#include "programs.hpp"
#include "stack.hpp"

#include <chrono>
#include <csignal>
#include <format>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace hvisor::bench {
namespace {

constexpr unsigned events = 20;
constexpr double seconds_of_event = 0.6;
constexpr std::uint32_t image_blocks = 256; // as Folder::write_zone() has it
// Of the zone's RAM; its kernel is before it.
constexpr std::uint64_t ram_address = 0x50400000;
constexpr std::uint64_t ram_size = std::uint64_t{4} << 20;

/// A machine that stays, and the real program in the hands of a service manager.
struct House {
    House(const Options& options, bool keeps_files)
        : keeps_files_(keeps_files),
          manager({options.hvisord, "--simulated", "--device=" + folder.path("machine"),
                   "--listen=" + folder.path("control"), "--config-dir=" + folder.path("none")},
                  folder.path("."), keeps_files_, {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"}) {
        folder.write("Image", std::string(65536, 'k'));
        folder.write_zone(1);
        manager.start();
        wait_until_ready();
        Process client({options.hvisorctl, "--address=unix:path=" + folder.path("control"), "zone", "start",
                        folder.path("zone1.json"), "--virtio", folder.path("zone1.virtio.json")});
        if (!client.wait()) {
            throw std::runtime_error("a zone did not start");
        }
    }
    void wait_until_ready() {
        if (!manager.wait_until_ready(std::chrono::seconds(10))) {
            throw std::runtime_error("hvisord did not become ready");
        }
    }

    const bool keeps_files_;
    Folder folder;
    hypervisor::Simulated machine;
    kit::MachineServer server{machine, folder.path("machine")};
    kit::ServiceManager manager;
    Mapping view = machine.map_ram(ram_address, ram_size).value();
    kit::Ram ram{ram_address, view.data(), view.size()};
};

/// The longest wait of a request for each event, in milliseconds.
template <class Event>
Latencies silences(Bench& bench, bool keeps_files, Event event) {
    House house(bench.options, keeps_files);
    GuestDisk disk({.hypervisor = house.machine, .ram = house.ram});
    std::vector<std::uint32_t> blocks(image_blocks);
    std::iota(blocks.begin(), blocks.end(), 0);
    const Load load{.is_write = true, .blocks = blocks, .has_latencies = true, .seconds = seconds_of_event};
    Latencies longest;
    for (unsigned i = 0; i < events; ++i) {
        auto outcome = on_cpu(bench.cpus.guest, [&] {
            const std::jthread fate([&] {
                pin_to(bench.cpus.daemon);
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
                event(house.manager);
            });
            return disk.run(load);
        });
        house.wait_until_ready();
        longest.add(
            std::chrono::nanoseconds(static_cast<std::int64_t>(1e3 * outcome.latencies.percentile(1))));
    }
    return longest;
}

} // namespace

void successor_case(Bench& bench) {
    if (bench.options.hvisord.empty() || bench.options.hvisorctl.empty()) {
        throw std::runtime_error("give --hvisord and --hvisorctl");
    }
    const auto report = [&bench](std::string_view what, Latencies found) {
        for (const auto& [name, part] : {std::pair{"median", 0.5}, {"worst", 1.0}}) {
            bench.rows.push_back({.name = std::format("silence of a disk, {}, {} of {}", what, name, events),
                                  .unit = "ms",
                                  .upstream = "for ever",
                                  .goal = "≤ 200 ms",
                                  .lower_is_better = true,
                                  .bound = 200,
                                  .ours = 1e-3 * found.percentile(part)});
        }
    };
    const auto replace = [](int signal) {
        return [signal](kit::ServiceManager& manager) {
            static_cast<void>(manager.end(signal));
            manager.start();
        };
    };
    report("restart", silences(bench, true, replace(SIGTERM)));
    report("kill -9", silences(bench, true, replace(SIGKILL)));
    report("SIGUSR2", silences(bench, false,
                               [](kit::ServiceManager& manager) { manager.have_it_start_again(SIGUSR2); }));
}

} // namespace hvisor::bench
