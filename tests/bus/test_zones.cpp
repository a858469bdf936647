// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hvisor::test {
namespace {

const sdbus::ObjectPath root_zone_path{"/org/syswonder/hvisor1/zone/root_2dlinux"};

TEST_CASE("the root zone is there from the start", "[zones]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);

    CHECK(manager.Version() == HVISORD_VERSION);
    CHECK(manager.HypervisorState() == "attached");
    CHECK(manager.HypervisorMagic() == 6);
    CHECK(manager.Statistics().at("MissedWakeups") == 0);

    const auto zones = manager.ListZones();
    REQUIRE(zones.size() == 1);
    CHECK(zones[0].at("Name").get<std::string>() == "root-linux");
    CHECK(zones[0].at("Id").get<std::uint32_t>() == 0);
    CHECK(zones[0].at("State").get<std::string>() == "running");
    CHECK(zones[0].at("Cpus").get<std::vector<std::uint32_t>>() == std::vector<std::uint32_t>{0, 1});
    CHECK_FALSE(zones[0].at("Managed").get<bool>());
    CHECK(zones[0].at("Path").get<sdbus::ObjectPath>() == root_zone_path);
    CHECK(managed_objects(manager).contains(root_zone_path));
}

TEST_CASE("a zone is started from texts and open files", "[zones]") {
    Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);

    REQUIRE(start_guest(manager, daemon.files()) == guest_path);

    // All of it is there before the reply is.
    const auto objects = managed_objects(manager);
    CHECK(objects.contains(guest_path));
    CHECK(objects.contains(console_path));
    CHECK(objects.contains(disk_path));

    Zone zone(*connection, guest_path);
    CHECK(zone.Name() == "guest1");
    CHECK(zone.Id() == 1);
    CHECK(zone.State() == "running");
    CHECK(zone.Cpus() == std::vector<std::uint32_t>{2, 3});
    CHECK(zone.Managed());
    CHECK(zone.Reason().empty());
    CHECK(zone.Diagnosis().empty());
    CHECK(manager.ListZones().size() == 2);
    CHECK(eventually([&] { return daemon.status() == "1 zone running, 2 devices"; }));
}

TEST_CASE("devices tell what helps at bring-up", "[zones]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());

    Device disk(*connection, disk_path);
    CHECK(disk.Id() == "block-a003c00");
    CHECK(disk.Type() == "block");
    CHECK(disk.Address() == 0xa003c00);
    CHECK(disk.Length() == 0x200);
    CHECK(disk.Interrupt() == 78);
    CHECK(disk.Backend() == "disk.img");
    CHECK(disk.Status() == 0);
    CHECK(disk.LastRegister().empty());
    CHECK(disk.Accesses() == 0);
    CHECK(disk.UnacknowledgedUSec() == 0);
    CHECK(disk.InterruptsSent() == 0);
    CHECK(disk.InterruptsRepeated() == 0);
    const auto queues = disk.Queues();
    REQUIRE(queues.size() == 1);
    CHECK_FALSE(queues[0].at("Ready").get<bool>());
    CHECK(queues[0].at("AvailIndex").get<std::uint16_t>() == 0);
    CHECK(queues[0].at("UsedIndex").get<std::uint16_t>() == 0);
    for (const auto* counter : {"Notifications", "Requests", "Bytes", "Errors", "Interrupts"}) {
        CHECK(queues[0].at(counter).get<std::uint64_t>() == 0);
    }
    CHECK(queues[0].at("Latency").get<std::vector<std::uint64_t>>() == std::vector<std::uint64_t>(24));
    CHECK(queues[0].contains("Size"));

    Device console(*connection, console_path);
    CHECK(console.Type() == "console");
    CHECK(console.Interrupt() == 76);
    CHECK(console.Queues().size() == 2);
    CHECK(console.Backend().starts_with("/dev/pts/"));
    CHECK(daemon.log().contains("char device redirected to " + console.Backend()));
}

TEST_CASE("a disk grows while its zone runs, and says why it cannot", "[zones]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    start_guest(manager, daemon.files());
    const auto image = std::filesystem::path(daemon.files().path("disk.img"));
    const auto before = std::filesystem::file_size(image);
    SignalLog signals;

    Disk disk(*connection, disk_path);
    CHECK(disk.Size() == before);
    CHECK_FALSE(disk.ReadOnly());
    CHECK_FALSE(disk.Serial().empty());

    CHECK(disk.Resize(2 * before, {}) == 2 * before);
    CHECK(std::filesystem::file_size(image) == 2 * before);
    CHECK(disk.Size() == 2 * before);
    CHECK(signals.wait_for("changed " + disk_path + " Size"));

    // Somebody else makes it larger.
    std::filesystem::resize_file(image, 3 * before);
    CHECK(disk.Resize(0, {}) == 3 * before);
    CHECK(disk.Size() == 3 * before);

    CHECK(error_of([&] { disk.Resize(before, {}); }) == "InvalidConfig");
    CHECK(error_of([&] { disk.Resize((3 * before) + 1, {}); }) == "InvalidConfig");
    CHECK(std::filesystem::file_size(image) == 3 * before);
    CHECK(error_of([&] { disk.Resize(0, {{"shrink", sdbus::Variant(true)}}); }) ==
          "org.freedesktop.DBus.Error.InvalidArgs");

    manager.ShutdownZone("guest1", {});
    CHECK(error_of([&] { disk.Resize(4 * before, {}); }) == "WrongState");
    CHECK(std::filesystem::file_size(image) == 3 * before);
}

TEST_CASE("signals tell what changes, and nothing else", "[zones]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    SignalLog signals;

    start_guest(manager, daemon.files());
    CHECK(signals.wait_for("added " + guest_path));
    CHECK(signals.wait_for("added " + console_path));
    CHECK(signals.wait_for("added " + disk_path));

    Zone zone(*connection, guest_path);
    zone.Shutdown({});
    CHECK(zone.State() == "stopped");
    CHECK(signals.wait_for("changed " + guest_path + " State"));

    // The root zone did not change, and a second look at the rest finds nothing new.
    manager.ListZones();
    const auto before = signals.lines();
    manager.ListZones();
    manager.ListZones();
    const auto after = signals.lines();
    CHECK(before == after);
    CHECK(std::ranges::none_of(after, [](const std::string& line) { return line.contains(root_zone_path); }));
}

TEST_CASE("a zone can be started, shut down and started again", "[zones]") {
    Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);

    // Also what the first start and shutdown keep for good.
    start_guest(manager, daemon.files());
    manager.ShutdownZone("guest1", {});
    const auto before = daemon.open_files();
    for (int i = 0; i < 20; ++i) {
        REQUIRE(start_guest(manager, daemon.files()) == guest_path);
        Zone zone(*connection, guest_path);
        REQUIRE(zone.State() == "running");
        manager.ShutdownZone("guest1", {});
        REQUIRE(zone.State() == "stopped");
    }
    CHECK(eventually([&] { return daemon.open_files() <= before; }));
    CHECK(eventually([&] { return daemon.status() == "0 zones running, 0 devices"; }));
}

TEST_CASE("a configured zone is started by its name", "[zones]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    // The name of the configuration need not be that of the zone.
    daemon.files().configure("camera");

    CHECK(manager.StartZone("camera", {}).at("Zone").get<sdbus::ObjectPath>() == guest_path);
    CHECK(Device(*connection, disk_path).Type() == "block");
    manager.ShutdownZone("guest1", {});
}

TEST_CASE("a configured zone is listed before it is started", "[zones]") {
    const Daemon daemon;
    daemon.files().configure("camera");
    const auto listed = [&] { return daemon.ctl({"zone", "list"}).output; };
    CHECK(eventually([&] { return listed().contains("1  camera      defined  2-3\n"); }));
    const auto shown = daemon.ctl({"zone", "show", "camera"});
    CHECK(shown.output == "camera (zone 1)\n  State:         defined\n  CPUs:          2-3\n");

    // It is one zone and not two when it runs, under the name that it has then.
    CHECK(daemon.ctl({"zone", "start", "camera"}).status == 0);
    CHECK_FALSE(listed().contains("camera"));
    CHECK(daemon.ctl({"zone", "shutdown", "guest1"}).status == 0);

    write_file(daemon.files().path("configured/broken.json"), "{");
    CHECK(eventually([&] { return listed().contains("-  broken      defined"); }));
    CHECK(daemon.ctl({"zone", "show", "broken"}).output.contains("broken.json:1:2: "));
    const auto shutdown = daemon.ctl({"zone", "shutdown", "broken"});
    CHECK(shutdown.errors.contains("zone broken does not run"));
    const auto console = daemon.ctl({"zone", "console", "broken"});
    CHECK(console.errors.contains("zone broken does not run, so it has no devices"));
}

TEST_CASE("devices can be set before the zone is started", "[zones]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);

    CHECK(manager.ConfigureVirtio("virtio.json", ZoneFiles::virtio_json(), virtio_files(daemon.files()),
                                  {}) == std::vector<std::uint32_t>{1});
    for (int i = 0; i < 2; ++i) {
        manager.StartZoneFromConfig("zone.json", ZoneFiles::zone_json(), "", "", zone_files(daemon.files()),
                                    {});
        CHECK(managed_objects(manager).contains(disk_path));
        manager.ShutdownZone("guest1", {});
    }
}

TEST_CASE("a zone is configured by hvisorctl, started, and taken away again", "[zones]") {
    const Daemon daemon;
    // With the devices in it, this is a zone in one file.
    const auto text = ZoneFiles::zone_json(
        {{R"("kernel_filepath": "./Image")",
          R"("devices": [], "kernel_filepath": ")" + daemon.files().path("Image") + '"'},
         {R"("dtb_filepath": "null", "dtb_load_paddr": "0x50000000",)", R"("arch": "arm64",)"},
         {R"(, "is_aarch32": false)", ""}});
    const auto file = daemon.files().write("camera.json", text);
    const auto defined = daemon.ctl({"zone", "define", file});
    INFO(defined.errors);
    REQUIRE(defined.status == 0);
    CHECK(defined.output == daemon.files().path("configured/camera.json") + "\n");
    CHECK(daemon.ctl({"zone", "list"}).output.contains("camera      defined"));
    CHECK(daemon.ctl({"zone", "define", file}).status == 7);
    CHECK(daemon.ctl({"zone", "define", file, "--replace", "-q"}).output.empty());
    CHECK(daemon.ctl({"zone", "define", file, "other", "--runtime"}).status == 3);
    CHECK(daemon.ctl({"zone", "define", daemon.files().write("bad.json", "{")}).status == 8);
    CHECK(daemon.ctl({"zone", "define", daemon.files().path("none.json")}).status == 3);

    CHECK(daemon.ctl({"zone", "start", "camera"}).status == 0);
    CHECK(daemon.ctl({"zone", "undefine", "camera"}).status == 0);
    CHECK(daemon.ctl({"zone", "list"}).output.contains("guest1      running"));
    CHECK(daemon.ctl({"zone", "undefine", "camera"}).status == 3);
}

} // namespace
} // namespace hvisor::test
