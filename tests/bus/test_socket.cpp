// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>
#include <vector>

namespace hvisor::test {
namespace {

const sdbus::ObjectPath root_path{"/org/syswonder/hvisor1"};

/// A connection to a socket, on which nothing has been said.
class RawPeer {
  public:
    explicit RawPeer(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    }
    RawPeer(const RawPeer&) = delete;
    RawPeer& operator=(const RawPeer&) = delete;
    RawPeer(RawPeer&&) = delete;
    RawPeer& operator=(RawPeer&&) = delete;
    ~RawPeer() { ::close(fd_); }

    void say(std::string_view text) const {
        CHECK(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
    }

    /// Whether the other side hangs up, whatever it says before.
    [[nodiscard]] bool is_left() const {
        return eventually([this] {
            std::array<char, 256> said{};
            const auto count = ::recv(fd_, said.data(), said.size(), MSG_DONTWAIT);
            return count == 0 || (count < 0 && errno == ECONNRESET);
        });
    }

  private:
    int fd_;
};

std::string introspect(sdbus::IConnection& connection, const sdbus::ObjectPath& path) {
    std::string text;
    sdbus::createProxy(connection, sdbus::ServiceName("org.syswonder.hvisor1"), path)
        ->callMethod("Introspect")
        .onInterface("org.freedesktop.DBus.Introspectable")
        .storeResultsTo(text);
    // A user's bus is for that user alone, so sd-bus asks nobody for privileges there.
    std::istringstream lines(text);
    text.clear();
    for (std::string line; std::getline(lines, line);) {
        if (!line.contains("org.freedesktop.systemd1.Privileged")) {
            text += line + '\n';
        }
    }
    return text;
}

/// Every object's introspection by its path.
std::map<std::string, std::string> introspect_all(sdbus::IConnection& connection) {
    Manager manager(connection);
    const sdbus::ObjectPath log_path("/org/freedesktop/LogControl1");
    std::map<std::string, std::string> all{{root_path, introspect(connection, root_path)},
                                           {log_path, introspect(connection, log_path)}};
    for (const auto& [path, interfaces] : managed_objects(manager)) {
        all.emplace(path, introspect(connection, path));
    }
    return all;
}

/// What a second hvisord does in the daemon's folder.
Finished run_second(const Daemon& daemon, const std::string& listen) {
    Process process({program("HVISORD"), "--simulated", "--listen=" + listen},
                    daemon.files().path("second.out"), daemon.files().path("second.err"),
                    {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"});
    const int status = process.wait();
    return {.status = status,
            .output = read_file(daemon.files().path("second.out")),
            .errors = read_file(daemon.files().path("second.err"))};
}

TEST_CASE("bus and socket show the same objects", "[socket]") {
    const Daemon daemon(Reach::both);
    const auto bus = sdbus::createSessionBusConnection();
    const auto direct = sdbus::createDirectBusConnection(daemon.socket_address());
    Manager manager(*bus);
    start_guest(manager, daemon.files());

    const auto by_bus = introspect_all(*bus);
    const auto by_socket = introspect_all(*direct);
    CHECK(by_bus.size() >= 5); // the Manager, the log control, the zone and its two devices
    CHECK(by_bus == by_socket);
}

TEST_CASE("what is done over the socket is told on the bus, and the other way round", "[socket]") {
    const Daemon daemon(Reach::both);
    SignalLog on_bus;
    SignalLog on_socket(sdbus::createDirectBusConnection(daemon.socket_address()));
    const auto bus = sdbus::createSessionBusConnection();
    const auto direct = sdbus::createDirectBusConnection(daemon.socket_address());
    Manager by_bus(*bus);
    Manager by_socket(*direct);

    CHECK(start_guest(by_socket, daemon.files()) == guest_path);
    CHECK(on_bus.wait_for("added " + guest_path));
    CHECK(on_socket.wait_for("added " + guest_path));
    by_bus.ShutdownZone("guest1", {});
    for (SignalLog* log : {&on_bus, &on_socket}) {
        CHECK(eventually([&] {
            return std::ranges::any_of(log->lines(), [](const std::string& line) {
                return line.starts_with("changed " + guest_path) && line.contains(" State");
            });
        }));
    }
}

TEST_CASE("without a bus the socket does", "[socket]") {
    const Daemon daemon(Reach::socket);
    CHECK(daemon.log().contains("there is no system bus"));
    const auto zone = daemon.files().write("zone.json", ZoneFiles::zone_json());
    const auto virtio = daemon.files().write("virtio.json", ZoneFiles::virtio_json());
    const auto start = daemon.ctl({"zone", "start", zone, "--virtio", virtio});
    INFO(start.errors);
    CHECK(start.status == 0);
    const auto list = daemon.ctl({"zone", "list"});
    CHECK(list.output.contains("guest1"));
    const auto error = daemon.ctl({"zone", "show", "nobody"});
    CHECK(error.status == 3);
}

TEST_CASE("a client that leaves before its answer disturbs nobody", "[socket]") {
    const Daemon daemon(Reach::both);
    const auto bus = sdbus::createSessionBusConnection();
    Manager manager(*bus);
    start_guest(manager, daemon.files());
    manager.ShutdownZone("guest1", {});
    const auto before = daemon.open_files();

    {
        const auto direct = sdbus::createDirectBusConnection(daemon.socket_address());
        Manager by_socket(*direct);
        by_socket.ListZones(); // so that what is sent first has been taken
        static_cast<void>(
            by_socket.getProxy()
                .callMethodAsync("StartZoneFromConfig")
                .onInterface(Manager::INTERFACE_NAME)
                .withArguments("zone.json", ZoneFiles::zone_json(), "virtio.json", ZoneFiles::virtio_json(),
                               all_files(daemon.files()), Dictionary{})
                // NOLINTNEXTLINE(performance-unnecessary-value-param): sdbus-c++ wants it by value
                .uponReplyInvoke([](std::optional<sdbus::Error>, const sdbus::ObjectPath&) {}));
    }
    Zone guest(*bus, guest_path);
    CHECK(eventually([&] { return guest.State() == "running"; }));
    manager.ShutdownZone("guest1", {});
    INFO(daemon.log());
    CHECK(eventually([&] { return daemon.open_files() <= before; }));
}

TEST_CASE("peers that say nothing or nonsense keep nobody waiting", "[socket]") {
    const Daemon daemon(Reach::both);
    const auto bus = sdbus::createSessionBusConnection();
    Manager manager(*bus);
    manager.ListZones();
    const auto before = daemon.open_files();
    {
        const RawPeer silent(daemon.socket());
        const RawPeer half(daemon.socket());
        half.say(std::string_view("\0AUTH EXTERNAL 30\r\n", 19));
        const RawPeer nonsense(daemon.socket());
        nonsense.say(std::string(40000, 'x'));
        CHECK(nonsense.is_left());

        const auto direct = sdbus::createDirectBusConnection(daemon.socket_address());
        Manager by_socket(*direct);
        CHECK(by_socket.ListZones().size() == 1);
        CHECK(manager.ListZones().size() == 1);
    }
    CHECK(eventually([&] { return daemon.open_files() <= before; }));
}

TEST_CASE("a peer that does not read its answers is left", "[socket]") {
    const Daemon daemon(Reach::both);
    sd_bus* peer = nullptr;
    REQUIRE(sd_bus_new(&peer) >= 0);
    REQUIRE(sd_bus_set_address(peer, daemon.socket_address().c_str()) >= 0);
    REQUIRE(sd_bus_start(peer) >= 0);
    const auto ignore = [](sd_bus_message*, void*, sd_bus_error*) { return 0; };
    // Answers of about 7 KB, of which the socket takes 8 MB.
    for (int i = 0; i < 5000; ++i) {
        REQUIRE(sd_bus_call_method_async(peer, nullptr, "org.syswonder.hvisor1", root_path.c_str(),
                                         "org.freedesktop.DBus.Introspectable", "Introspect", ignore, nullptr,
                                         "") >= 0);
    }
    static_cast<void>(sd_bus_flush(peer)); // writes, and reads nothing
    CHECK(eventually([&] { return daemon.log().contains("does not read"); }));
    sd_bus_close_unref(peer);
    const auto bus = sdbus::createSessionBusConnection();
    Manager manager(*bus);
    CHECK(manager.ListZones().size() == 1);
}

TEST_CASE("zone hold ends with the daemon that it is connected to directly", "[socket]") {
    Daemon daemon(Reach::socket, {"guest1"});
    Process hold({program("HVISORCTL"), "--address=" + daemon.socket(), "zone", "hold", "guest1"},
                 daemon.files().path("hold.out"), daemon.files().path("hold.err"));
    REQUIRE(eventually([&] { return daemon.log().contains("zone guest1: started"); }));
    CHECK(daemon.stop() == 0);
    CHECK(hold.wait() == 5);
    // It may not have had the answer to its start yet, and then misses that one.
    CHECK(read_file(daemon.files().path("hold.err")).contains("hvisord"));
}

TEST_CASE("the socket is root's and the group's, and goes with the daemon", "[socket]") {
    Daemon daemon(Reach::socket);
    struct stat status{};
    REQUIRE(::stat(daemon.socket().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0660);
    CHECK(daemon.stop() == 0);
    CHECK_FALSE(std::filesystem::exists(daemon.socket()));
}

TEST_CASE("another user is refused, whatever the socket's mode", "[socket]") {
    if (::geteuid() != 0) {
        SKIP("only root can become another user");
    }
    const Daemon daemon(Reach::socket);
    std::filesystem::permissions(daemon.files().folder(), std::filesystem::perms(0755));
    std::filesystem::permissions(daemon.socket(), std::filesystem::perms(0666));
    Process process({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                     program("HVISORCTL"), "--address=" + daemon.socket(), "zone", "list"},
                    daemon.files().path("other.out"), daemon.files().path("other.err"));
    CHECK(process.wait() != 0);
    INFO(read_file(daemon.files().path("other.err")));
    CHECK(eventually([&] { return daemon.log().contains("neither root's nor of the group hvisor"); }));
}

TEST_CASE("a path that is taken is refused by name, a stale socket is not in the way", "[socket]") {
    const Daemon daemon(Reach::socket);
    const auto live = run_second(daemon, daemon.socket());
    CHECK(live.status == 7);
    CHECK(live.errors.contains("another program listens there"));
    CHECK(daemon.ctl({"zone", "list"}).status == 0);

    write_file(daemon.files().path("file"), "precious");
    const auto file = run_second(daemon, daemon.files().path("file"));
    CHECK(file.status == 7);
    CHECK(file.errors.contains("no socket"));
    CHECK(read_file(daemon.files().path("file")) == "precious");

    const auto stale = daemon.files().path("stale");
    {
        Process killed({program("HVISORD"), "--simulated", "--listen=" + stale},
                       daemon.files().path("third.out"), daemon.files().path("third.err"),
                       {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"});
        REQUIRE(eventually([&] { return std::filesystem::exists(stale); }));
        killed.signal(SIGKILL);
        CHECK(killed.wait() == 128 + SIGKILL);
    }
    REQUIRE(std::filesystem::exists(stale));
    Process next({program("HVISORD"), "--simulated", "--listen=" + stale}, daemon.files().path("third.out"),
                 daemon.files().path("third.err"), {"DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent"});
    CHECK(eventually([&] {
        Process ctl({program("HVISORCTL"), "--address=" + stale, "zone", "list"},
                    daemon.files().path("fourth.out"), daemon.files().path("fourth.err"));
        return ctl.wait() == 0;
    }));
    next.signal(SIGTERM);
    CHECK(next.wait() == 0);
}

TEST_CASE("the service manager's socket is used, and left to it", "[socket]") {
    const ZoneFiles files;
    const auto path = files.path("activated");
    Process manager({"/usr/bin/systemd-socket-activate", "--listen=" + path,
                     "--setenv=DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent", program("HVISORD"),
                     "--simulated"},
                    files.path("activate.out"), files.path("activate.err"));
    REQUIRE(eventually([&] { return std::filesystem::exists(path); }));
    Process ctl({program("HVISORCTL"), "--address=" + path, "zone", "list"}, files.path("ctl.out"),
                files.path("ctl.err"));
    CHECK(ctl.wait() == 0);
    INFO(read_file(files.path("ctl.err")) << read_file(files.path("activate.err")));
    CHECK(read_file(files.path("ctl.out")).contains("root"));
    // It has become the daemon.
    manager.signal(SIGTERM);
    CHECK(manager.wait() == 0);
    CHECK(std::filesystem::exists(path));
}

} // namespace
} // namespace hvisor::test
