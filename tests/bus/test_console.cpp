// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include "escape.hpp"

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
