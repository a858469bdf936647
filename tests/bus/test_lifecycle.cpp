// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
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

TEST_CASE("without a hypervisor hvisord says what to do", "[lifecycle]") {
    const Daemon daemon;
    const auto other = run_hvisord(daemon, {"--bus=session", "--device=/nonexistent/hvisor"});
    INFO(other.errors);
    CHECK(other.status == 9);
    CHECK(other.errors.contains("/nonexistent/hvisor"));
    CHECK(other.errors.contains("modprobe hvisor"));
}

TEST_CASE("wrong options of hvisord are wrong usage", "[lifecycle]") {
    const Daemon daemon;
    CHECK(run_hvisord(daemon, {"--simulate-everything"}).status == 2);
    CHECK(run_hvisord(daemon, {"--simulated", "--device=/dev/hvisor"}).status == 2);
    const auto version = run_hvisord(daemon, {"--version"});
    CHECK(version.status == 0);
    CHECK(version.output.contains(HVISORD_VERSION));
}

} // namespace
} // namespace hvisor::test
