// SPDX-License-Identifier: Apache-2.0
// The control API as its clients have it: through dbus-daemon, with 30 zones, of which
// as many run as the simulated board has CPUs for. All processes share the two CPUs,
// as they do on a root zone.
#include "cases.hpp"
#include "measure.hpp"
#include "programs.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <cstdint>
#include <format>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace hvisor::bench {
namespace {

constexpr unsigned zones = 30;
constexpr unsigned running_zones = 2;
constexpr double most_milliseconds = 5;
constexpr double least_reads = 5'000;

const sdbus::ServiceName daemon_name{"org.syswonder.hvisor1"};
const std::string root = "/org/syswonder/hvisor1";

/// What a service that does nothing else reaches: one object with one property.
class BareService {
  public:
    static constexpr const char* interface = "org.syswonder.hvisor1.Bench";

    explicit BareService(const std::string& address)
        : connection_(sdbus::createSessionBusConnectionWithAddress(address)),
          object_(sdbus::createObject(*connection_, sdbus::ObjectPath("/"))) {
        object_->addVTable(sdbus::registerProperty("State").withGetter([] { return std::string("running"); }))
            .forInterface(interface);
        connection_->enterEventLoopAsync();
    }
    [[nodiscard]] sdbus::ServiceName name() const { return sdbus::ServiceName(connection_->getUniqueName()); }

  private:
    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<sdbus::IObject> object_;
};

/// How often a second a property of an object can be read, one read after the other.
template <class Value>
double reads_a_second(const std::string& address, const sdbus::ServiceName& service, const std::string& path,
                      const std::string& interface, const std::string& property, double seconds) {
    const auto connection = sdbus::createSessionBusConnectionWithAddress(address);
    const auto proxy = sdbus::createProxy(*connection, service, sdbus::ObjectPath(path));
    const auto begin = Clock::now();
    std::uint64_t count = 0;
    while (Seconds(Clock::now() - begin).count() < seconds) {
        static_cast<void>(proxy->getProperty(property).onInterface(interface).get<Value>());
        ++count;
    }
    return static_cast<double>(count) / Seconds(Clock::now() - begin).count();
}

/// The median of what `call` takes, in milliseconds.
template <class Call>
double median_milliseconds(unsigned times, Call call) {
    Latencies latencies;
    for (unsigned i = 0; i < times; ++i) {
        const auto begin = Clock::now();
        call();
        latencies.add(Clock::now() - begin);
    }
    return 1e-3 * latencies.percentile(0.5);
}

struct Figures {
    Series state;
    Series counter;
    Series bare;
    Series list;
    Series command;
    Series load;
};

void start_zones(sdbus::IProxy& manager) {
    for (unsigned i = 1; i <= running_zones; ++i) {
        std::map<std::string, sdbus::Variant> results;
        manager.callMethod("StartZone")
            .onInterface("org.syswonder.hvisor1.Manager")
            .withArguments(std::format("zone{}", i), std::map<std::string, sdbus::Variant>{})
            .storeResultsTo(results);
    }
}

void measure(const Options& options, Figures& figures) {
    const Folder folder;
    folder.write("Image", std::string(65536, 'k'));
    for (unsigned i = 1; i <= zones; ++i) {
        folder.write_zone(i);
    }
    const Bus bus;
    const auto socket = folder.path("notify");
    const Notifications notifications(socket);
    const Process daemon(
        {options.hvisord, "--simulated", "--bus=" + bus.address(), "--config-dir=" + folder.path(".")},
        {"NOTIFY_SOCKET=" + socket});
    notifications.wait_for_ready();
    const auto connection = sdbus::createSessionBusConnectionWithAddress(bus.address());
    const auto manager = sdbus::createProxy(*connection, daemon_name, sdbus::ObjectPath(root));
    start_zones(*manager);

    const BareService bare(bus.address());
    for (unsigned i = 0; i < options.runs; ++i) {
        figures.state.add(reads_a_second<std::string>(bus.address(), daemon_name, root + "/zone/zone1",
                                                      "org.syswonder.hvisor1.Zone", "State",
                                                      options.seconds));
        figures.bare.add(reads_a_second<std::string>(bus.address(), bare.name(), "/", BareService::interface,
                                                     "State", options.seconds));
        figures.counter.add(reads_a_second<std::uint64_t>(
            bus.address(), daemon_name, root + "/zone/zone1/device/block_2da003c00",
            "org.syswonder.hvisor1.Device.Statistics", "Accesses", options.seconds));
        figures.list.add(median_milliseconds(100, [&] {
            std::vector<std::map<std::string, sdbus::Variant>> rows;
            manager->callMethod("ListZones")
                .onInterface("org.syswonder.hvisor1.Manager")
                .storeResultsTo(rows);
            if (rows.size() != zones + 1) {
                throw std::runtime_error(std::format("{} zones are listed", rows.size()));
            }
        }));
        const auto run = [&](const std::vector<std::string>& arguments) {
            if (!Process(arguments).wait()) {
                throw std::runtime_error("hvisorctl failed");
            }
        };
        figures.command.add(median_milliseconds(
            50, [&] { run({options.hvisorctl, "--bus=" + bus.address(), "zone", "list"}); }));
        figures.load.add(median_milliseconds(50, [&] { run({options.hvisorctl, "--version"}); }));
    }
}

} // namespace

void bus_case(Bench& bench) {
    const auto& options = bench.options;
    if (options.hvisord.empty() || options.hvisorctl.empty()) {
        throw std::runtime_error("give --hvisord and --hvisorctl");
    }
    Figures figures;
    on_cpu(bench.cpus, [&] { measure(options, figures); });
    const auto add_reads = [&](const char* what, const Series& series) {
        bench.rows.push_back({.name = std::format("D-Bus, one {} read after the other", what),
                              .unit = "/s",
                              .upstream = "",
                              .goal = "≥ 5,000 /s",
                              .bound = least_reads,
                              .ours = series.median(),
                              .limit = figures.bare.median(),
                              .limit_name = "a service with one property"});
    };
    add_reads("property", figures.state);
    add_reads("counter", figures.counter);
    bench.rows.push_back({.name = "ListZones() of 30 zones: median",
                          .unit = "ms",
                          .upstream = "",
                          .goal = "≤ 5 ms",
                          .lower_is_better = true,
                          .bound = most_milliseconds,
                          .ours = figures.list.median(),
                          .limit = 1e3 / figures.bare.median(),
                          .limit_name = "a read of that property"});
    bench.rows.push_back({.name = "hvisorctl zone list of 30 zones: median",
                          .unit = "ms",
                          .upstream = "",
                          .goal = "≤ 5 ms",
                          .lower_is_better = true,
                          .bound = most_milliseconds,
                          .ours = figures.command.median(),
                          .limit = figures.load.median(),
                          .limit_name = "hvisorctl --version"});
}

} // namespace hvisor::bench
