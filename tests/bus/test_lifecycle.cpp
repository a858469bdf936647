// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::test {
namespace {

Finished run_hvisord(const Daemon& daemon, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {program("HVISORD")};
    command.insert(command.end(), arguments.begin(), arguments.end());
    Process process(command, daemon.files().path("second.out"), daemon.files().path("second.err"));
    const int status = process.wait();
    return {.status = status,
            .output = read_file(daemon.files().path("second.out")),
            .errors = read_file(daemon.files().path("second.err"))};
}

TEST_CASE("the service manager hears of readiness, life and end", "[lifecycle]") {
    Daemon daemon;
    CHECK(daemon.status() == "0 zones running, 0 devices");
    CHECK(eventually([&] { return daemon.notifications().contains("WATCHDOG=1"); }));
    CHECK(daemon.stop() == 0);
    CHECK(daemon.notifications().contains("STOPPING=1"));
}

TEST_CASE("stopping while a zone uses devices is said once, by name", "[lifecycle]") {
    Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    CHECK(daemon.stop() == 0);
    CHECK(daemon.log().contains("stopping while zones use virtio devices: guest1:"));
}

TEST_CASE("stopping without zones is silent about them", "[lifecycle]") {
    Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    manager.ShutdownZone("guest1", {});
    CHECK(daemon.stop() == 0);
    CHECK_FALSE(daemon.log().contains("stopping while"));
}

TEST_CASE("calls that meet the end of the daemon are answered", "[lifecycle]") {
    Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    connection->enterEventLoopAsync();
    const auto proxy = sdbus::createProxy(*connection, sdbus::ServiceName("org.syswonder.hvisor1"),
                                          sdbus::ObjectPath("/org/syswonder/hvisor1"));
    std::atomic<int> answers = 0;
    constexpr int calls = 20;
    for (int i = 0; i < calls; ++i) {
        proxy->callMethodAsync("ShutdownZone")
            .onInterface(Manager::INTERFACE_NAME)
            .withArguments(std::string("nobody"), Dictionary{})
            // NOLINTNEXTLINE(performance-unnecessary-value-param): sdbus-c++ wants it by value
            .uponReplyInvoke([&](std::optional<sdbus::Error>) { ++answers; });
    }
    CHECK(daemon.stop() == 0);
    CHECK(eventually([&] { return answers == calls; }));
    connection->leaveEventLoop();
}

TEST_CASE("a second daemon on the bus ends with a sentence", "[lifecycle]") {
    const Daemon daemon;
    const auto second = run_hvisord(daemon, {"--simulated", "--bus=session"});
    INFO(second.errors);
    CHECK(second.status == 7);
    CHECK(second.errors.contains("org.syswonder.hvisor1"));
}

TEST_CASE("without a module hvisord starts, and says what to do", "[lifecycle]") {
    const ZoneFiles files;
    const auto socket = files.path("control");
    Process other({program("HVISORD"), "--listen=" + socket, "--device=/nonexistent/hvisor"},
                  files.path("other.out"), files.path("other.err"),
                  {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"});
    REQUIRE(eventually([&] { return std::filesystem::exists(socket); }));
    Process ctl({program("HVISORCTL"), "--address=" + socket, "status"}, files.path("ctl.out"),
                files.path("ctl.err"));
    CHECK(ctl.wait() == 0);
    const std::string status = read_file(files.path("ctl.out"));
    INFO(status << read_file(files.path("ctl.err")));
    CHECK(status.contains("absent"));
    CHECK(status.contains("/nonexistent/hvisor: No such file or directory; load the kernel module with "
                          "'modprobe hvisor'"));
    other.signal(SIGTERM);
    CHECK(other.wait() == 0);
    CHECK(read_file(files.path("other.err")).contains("modprobe hvisor"));
}

TEST_CASE("a hypervisor that comes later is worked with from then on", "[lifecycle]") {
    const ZoneFiles elsewhere;
    const std::string device = elsewhere.path("hvisor");
    Daemon daemon(Reach::both, {"guest1"}, {"--device=" + device});
    const std::string reason = device + " is not there; the simulated hypervisor waits for that file";
    CHECK(daemon.status() == "No hypervisor: " + reason);
    SignalLog signals;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    CHECK(manager.HypervisorState() == "absent");
    CHECK(manager.HypervisorReason() == reason);
    CHECK(manager.HypervisorMagic() == 0);
    CHECK(daemon.ctl({"version"}).output.contains("no hypervisor: " + reason));

    // What is configured can be looked at; what needs the hypervisor says what is missing.
    const auto list = daemon.ctl({"zone", "list", "--no-legend"});
    CHECK(list.output.contains("guest1"));
    CHECK_FALSE(list.output.contains("root"));
    for (const std::vector<std::string>& needing :
         {std::vector<std::string>{"zone", "start", "guest1"}, {"zone", "shutdown", "guest1"}}) {
        const auto refused = daemon.ctl(needing);
        INFO(refused.errors);
        CHECK(refused.status == 9);
        CHECK(refused.errors.contains("there is no hypervisor to work with: " + reason));
    }
    CHECK(error_of([&] {
              manager.ConfigureVirtio("virtio.json", ZoneFiles::virtio_json(), virtio_files(daemon.files()),
                                      {});
          }) == "NoHypervisor");
    CHECK(error_of([&] { start_guest(manager, daemon.files()); }) == "NoHypervisor");

    write_file(device, "");
    CHECK(
        signals.wait_for("changed /org/syswonder/hvisor1 HypervisorMagic HypervisorReason HypervisorState"));
    CHECK(manager.HypervisorState() == "attached");
    CHECK(manager.HypervisorReason().empty());
    CHECK(manager.HypervisorMagic() == 6);
    CHECK(signals.wait_for("added /org/syswonder/hvisor1/zone/root_2dlinux"));
    CHECK(daemon.ctl({"zone", "start", "guest1"}).status == 0);
    CHECK(eventually([&] { return daemon.status() == "1 zone running, 2 devices"; }));
    CHECK(daemon.log().contains("attached to the hypervisor"));
}

TEST_CASE("what is logged is set as systemd sets it, on the bus and past it", "[lifecycle]") {
    const Daemon daemon(Reach::both);
    const auto bus = sdbus::createSessionBusConnection();
    const auto direct = sdbus::createDirectBusConnection(daemon.socket_address());
    const std::string interface = "org.freedesktop.LogControl1";
    std::string level = "info";
    for (const auto* path : {"/org/freedesktop/LogControl1", "/org/syswonder/hvisor1"}) {
        for (sdbus::IConnection* connection : {bus.get(), direct.get()}) {
            const auto log = sdbus::createProxy(*connection, sdbus::ServiceName("org.syswonder.hvisor1"),
                                                sdbus::ObjectPath(path));
            const auto get = [&](const std::string& name) {
                return log->getProperty(name).onInterface(interface).get<std::string>();
            };
            const auto set = [&](const std::string& name, const std::string& value) {
                log->setProperty(name).onInterface(interface).toValue(value);
            };
            CHECK(get("SyslogIdentifier") == "hvisord");
            CHECK(get("LogTarget") == "console");
            CHECK(get("LogLevel") == level);
            level = level == "info" ? "debug" : "info";
            set("LogLevel", level);
            CHECK(get("LogLevel") == level);
            CHECK(error_of([&] { set("LogLevel", "loud"); }) == "org.freedesktop.DBus.Error.InvalidArgs");
            CHECK(error_of([&] { set("LogTarget", "kmsg"); }) == "org.freedesktop.DBus.Error.InvalidArgs");
            set("LogTarget", "console");
            CHECK(get("LogLevel") == level);
        }
    }
    CHECK(daemon.log().contains("the log level is debug from now on"));

    // What is less important than that is not logged.
    const auto log = sdbus::createProxy(*bus, sdbus::ServiceName("org.syswonder.hvisor1"),
                                        sdbus::ObjectPath("/org/freedesktop/LogControl1"));
    Manager manager(*bus);
    log->setProperty("LogLevel").onInterface(interface).toValue(std::string("err"));
    start_guest(manager, daemon.files());
    log->setProperty("LogLevel").onInterface(interface).toValue(std::string("info"));
    manager.ShutdownZone("guest1", {});
    CHECK_FALSE(daemon.log().contains("zone guest1: started"));
    CHECK(daemon.log().contains("zone guest1: shut down"));
}

TEST_CASE("SIGHUP reads all configurations again, and the service manager hears of it", "[lifecycle]") {
    Daemon daemon({"guest1"});
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    const auto diagnosis = [&] {
        const auto zones = manager.ListZones();
        return zones.size() < 2 ? std::string("none") : zones.at(1).at("Diagnosis").get<std::string>();
    };
    REQUIRE(diagnosis().empty());
    // The same size and time as before: nothing else tells that it is another file.
    const std::filesystem::path file = daemon.files().path("configured/guest1.json");
    const auto written = std::filesystem::last_write_time(file);
    const std::string text = read_file(file);
    write_file(file, std::string(text.size(), '?'));
    std::filesystem::last_write_time(file, written);

    const auto count = [&](const std::string& word) {
        const std::string all = daemon.notifications();
        std::size_t found = 0;
        for (auto at = all.find(word); at != std::string::npos; at = all.find(word, at + 1)) {
            ++found;
        }
        return found;
    };
    REQUIRE(count("READY=1") == 1);
    ::kill(daemon.pid(), SIGHUP);
    REQUIRE(eventually([&] { return count("READY=1") == 2; }));
    const std::string all = daemon.notifications();
    const auto begin = all.find("RELOADING=1\nMONOTONIC_USEC=");
    REQUIRE(begin != std::string::npos);
    CHECK(begin < all.rfind("READY=1"));
    CHECK(std::stoull(all.substr(all.find("MONOTONIC_USEC=") + 15)) > 0);
    CHECK(diagnosis().contains("guest1.json"));
    CHECK(daemon.stop() == 0);
}

TEST_CASE("wrong options of hvisord are wrong usage", "[lifecycle]") {
    const Daemon daemon;
    CHECK(run_hvisord(daemon, {"--simulate-everything"}).status == 2);
    CHECK(run_hvisord(daemon, {"--simulated", "--device"}).status == 2);
    const auto version = run_hvisord(daemon, {"--version"});
    CHECK(version.status == 0);
    CHECK(version.output.contains(HVISORD_VERSION));
}

} // namespace
} // namespace hvisor::test
