// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include "escape.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <tuple>
#include <unistd.h>

namespace hvisor::test {
namespace {

/// Whether the stream has ended; false when it just has nothing to read.
bool has_ended(const sdbus::UnixFd& stream) {
    pollfd event = {.fd = stream.get(), .events = POLLIN, .revents = 0};
    char byte = 0;
    return poll(&event, 1, 0) == 1 && recv(stream.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

TEST_CASE("a console is opened as a stream", "[console]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    Zone zone(*connection, guest_path);

    const auto first = zone.OpenConsole("", {});
    const auto& stream = std::get<sdbus::UnixFd>(first);
    CHECK(std::get<Dictionary>(first).at("Device").get<std::string>() == "console-a003800");
    CHECK_FALSE(has_ended(stream));
    CHECK(send(stream.get(), "input\n", 6, MSG_NOSIGNAL) == 6);

    // Many may attach at once, each with options of its own.
    const auto second = zone.OpenConsole("console-a003800", {{"replay", sdbus::Variant(std::uint64_t{16})},
                                                             {"read-only", sdbus::Variant(true)}});
    const auto& watched = std::get<sdbus::UnixFd>(second);
    CHECK(std::get<Dictionary>(second).at("Device").get<std::string>() == "console-a003800");
    CHECK_FALSE(has_ended(watched));

    // A zone that is started again has new consoles.
    manager.ShutdownZone("guest1", {});
    start_guest(manager, daemon.files());
    CHECK(eventually([&] { return has_ended(stream) && has_ended(watched); }));
}

TEST_CASE("one client at a time has the input", "[console]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    Zone zone(*connection, guest_path);
    Console console(*connection, console_path);

    const auto first = zone.OpenConsole("", {});
    CHECK(error_of([&] { zone.OpenConsole("", {}); }) == "ResourceBusy");
    CHECK(eventually([&] { return console.Ports().at(0).at("HasInput").get<bool>(); }));
    const auto second = zone.OpenConsole("", {{"force", sdbus::Variant(true)}});
    const auto& loser = std::get<sdbus::UnixFd>(first);
    CHECK(send(loser.get(), "x", 1, MSG_NOSIGNAL) == -1);
    CHECK(send(std::get<sdbus::UnixFd>(second).get(), "x", 1, MSG_NOSIGNAL) == 1);
    std::array<char, 256> line{};
    REQUIRE(recv(loser.get(), line.data(), line.size(), 0) > 0);
    CHECK(std::string(line.data()).contains("another client has taken the input"));
    CHECK(eventually([&] { return console.Ports().at(0).at("Clients").get<std::uint32_t>() == 2; }));
}

TEST_CASE("a console has ports, each with a terminal and a size", "[console]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    manager.StartZoneFromConfig(
        "zone.json", ZoneFiles::zone_json(), "virtio.json",
        ZoneFiles::virtio_json({{R"("irq": 76,)", R"("irq": 76, "ports": [ { "name": "agent" } ],)"}}),
        all_files(daemon.files()), {});
    Zone zone(*connection, guest_path);
    Console console(*connection, console_path);

    const auto ports = console.Ports();
    REQUIRE(ports.size() == 2);
    CHECK(ports[0].at("Name").get<std::string>().empty());
    CHECK(ports[0].at("Console").get<bool>());
    CHECK(ports[0].at("Terminal").get<std::string>() == console.Backend());
    CHECK(ports[1].at("Name").get<std::string>() == "agent");
    CHECK_FALSE(ports[1].at("Console").get<bool>());
    CHECK(ports[1].at("Terminal").get<std::string>().starts_with("/dev/pts/"));
    CHECK(ports[1].at("Columns").get<std::uint16_t>() == 80);
    CHECK(error_of([&] { Console(*connection, disk_path).Ports(); }) ==
          "org.freedesktop.DBus.Error.UnknownProperty");

    const Dictionary agent = {{"port", sdbus::Variant("agent")}};
    CHECK_FALSE(has_ended(std::get<sdbus::UnixFd>(zone.OpenConsole("", agent))));
    CHECK(error_of([&] { zone.OpenConsole("", {{"port", sdbus::Variant("agents")}}); }) == "NoSuchDevice");

    zone.ResizeConsole("", 100, 40, {});
    zone.ResizeConsole("console-a003800", 120, 50, agent);
    CHECK(eventually([&] { return console.Ports().at(0).at("Columns").get<std::uint16_t>() == 100; }));
    CHECK(console.Ports().at(1).at("Rows").get<std::uint16_t>() == 50);
    CHECK(error_of([&] { zone.ResizeConsole("block-a003c00", 1, 1, {}); }) == "NoSuchDevice");
    CHECK(error_of([&] { zone.ResizeConsole("", 0, 1, {}); }) == "org.freedesktop.DBus.Error.InvalidArgs");

    const auto show = daemon.ctl({"zone", "show", "guest1"});
    CHECK(show.output.contains("Port agent:"));
    CHECK(show.output.contains("100 by 40"));
}

TEST_CASE("hvisorctl says that another client has the input, and takes it over", "[console]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    Zone zone(*connection, guest_path);
    const auto holder = zone.OpenConsole("", {});

    const auto refused = daemon.ctl({"zone", "console", "guest1"});
    CHECK(refused.status == 7);
    CHECK(refused.errors.contains("another client has the console's input"));
    CHECK(daemon.ctl({"zone", "console", "guest1", "--force"}).status == 0);
    CHECK(send(std::get<sdbus::UnixFd>(holder).get(), "x", 1, MSG_NOSIGNAL) == -1);
    CHECK(daemon.ctl({"zone", "console", "guest1", "--force", "--read-only"}).status == 2);
}

TEST_CASE("streams that clients let go of are closed", "[console]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    Zone zone(*connection, guest_path);

    // Not all files: those of the call that started the zone are closed only
    // after its reply, and a notification has a datagram socket for a moment.
    const auto before = daemon.open_streams();
    for (int i = 0; i < 20; ++i) {
        const auto opened = zone.OpenConsole("", {});
        CHECK(daemon.open_streams() > before);
    }
    CHECK(eventually([&] { return daemon.open_streams() == before; }));
}

TEST_CASE("^] three times within a second leaves", "[console]") {
    using Detector = cli::EscapeDetector;
    const auto start = Detector::Clock::now();
    const auto after = [&](int milliseconds) { return start + std::chrono::milliseconds(milliseconds); };
    const auto feed = [](Detector& detector, std::string_view text, Detector::Clock::time_point time) {
        return detector.feed(text, time);
    };

    SECTION("at once") {
        Detector detector;
        CHECK(feed(detector, "ls\n\x1d\x1d\x1d", start));
    }
    SECTION("one by one") {
        Detector detector;
        CHECK_FALSE(feed(detector, "\x1d", start));
        CHECK_FALSE(feed(detector, "\x1d", after(400)));
        CHECK(feed(detector, "\x1d", after(900)));
    }
    SECTION("not with something between") {
        Detector detector;
        CHECK_FALSE(feed(detector, "\x1d\x1dx\x1d", start));
        CHECK(feed(detector, "\x1d\x1d", after(1)));
    }
    SECTION("not too slowly") {
        Detector detector;
        CHECK_FALSE(feed(detector, "\x1d\x1d", start));
        CHECK_FALSE(feed(detector, "\x1d", after(1100)));
        CHECK(feed(detector, "\x1d\x1d", after(1200)));
    }
}

} // namespace
} // namespace hvisor::test
