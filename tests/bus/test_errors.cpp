// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <string>
#include <vector>

namespace hvisor::test {
namespace {

struct BadInput {
    std::string what;
    ZoneFiles::Changes zone;
    ZoneFiles::Changes virtio;
    std::string error;
    std::vector<std::string> named; ///< what the sentence has to contain
};

// Catch2 prints the case that failed.
std::ostream& operator<<(std::ostream& out, const BadInput& input) {
    return out << input.what;
}

TEST_CASE("bad input is refused by name, and leaves nothing behind", "[errors]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    // sdbus-c++ opens two files for good when it first makes a dictionary.
    manager.ListZones();
    const auto before = daemon.open_files();

    const auto input = GENERATE(values<BadInput>({
        {"broken JSON", {{"\"zone_id\"", "zone_id"}}, {}, "InvalidConfig", {"zone.json"}},
        {"no kernel among the files",
         {{"./Image", "./Other"}},
         {},
         "NotFound",
         {"zone.json", "kernel_filepath", "./Other"}},
        {"zone id 0", {{"\"zone_id\": 1", "\"zone_id\": 0"}}, {}, "InvalidConfig", {"zone.json", "zone_id"}},
        {"a CPU of the root zone", {{"[2, 3]", "[1, 2]"}}, {}, "ResourceBusy", {"zone.json", "cpus", "1"}},
        {"RAM that is not for zones",
         {{R"("ram", "physical_start": "0x50000000")", R"("ram", "physical_start": "0x40000000")"},
          {R"("kernel_load_paddr": "0x50400000")", R"("kernel_load_paddr": "0x40400000")"}},
         {{"\"zone0_ipa\": \"0x50000000\"", "\"zone0_ipa\": \"0x40000000\""}},
         "InvalidConfig",
         {"0x40000000"}},
        {"no disk among the files",
         {},
         {{"disk.img", "other.img"}},
         "NotFound",
         {"virtio.json", "img", "other.img"}},
        {"an unknown device type",
         {},
         {{"\"blk\"", "\"floppy\""}},
         "InvalidConfig",
         {"virtio.json", "type", "floppy"}},
    }));
    CAPTURE(input.what);

    std::string message;
    const auto error = error_of([&] {
        try {
            manager.StartZoneFromConfig("zone.json", ZoneFiles::zone_json(input.zone), "virtio.json",
                                        ZoneFiles::virtio_json(input.virtio), all_files(daemon.files()), {});
        } catch (const sdbus::Error& thrown) {
            message = thrown.getMessage();
            throw;
        }
    });
    CAPTURE(message);
    CHECK(error == input.error);
    for (const auto& name : input.named) {
        CAPTURE(name);
        CHECK(message.contains(name));
    }
    CHECK(manager.ListZones().size() == 1);
    CHECK_FALSE(managed_objects(manager).contains(guest_path));
    CHECK(eventually([&] { return daemon.open_files() <= before; }));
}

TEST_CASE("what a zone's state does not allow is refused", "[errors]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);

    CHECK(error_of([&] { manager.ShutdownZone("nobody", {}); }) == "NoSuchZone");
    CHECK(error_of([&] { manager.ShutdownZone("root-linux", {}); }) == "WrongState");
    CHECK(error_of([&] { static_cast<void>(manager.StartZone("nobody", {})); }) == "NoSuchZone");

    start_guest(manager, daemon.files());
    CHECK(error_of([&] { start_guest(manager, daemon.files()); }) == "ZoneExists");

    Zone zone(*connection, guest_path);
    CHECK(error_of([&] { static_cast<void>(zone.OpenConsole("console-0", {})); }) == "NoSuchDevice");
    CHECK(error_of([&] { static_cast<void>(zone.OpenConsole("block-a003c00", {})); }) == "NoSuchDevice");
    manager.ShutdownZone("guest1", {});
    CHECK(error_of([&] { manager.ShutdownZone("guest1", {}); }) == "WrongState");
}

TEST_CASE("names that are no file names open no files", "[errors]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    write_file(daemon.files().path("configured/camera.json"), ZoneFiles::zone_json());

    for (const std::string& name :
         {std::string("../configured/camera"), daemon.files().path("configured/camera"), std::string("."),
          std::string()}) {
        CAPTURE(name);
        const auto error = error_of([&] { static_cast<void>(manager.StartZone(name, {})); });
        CHECK(error == "NoSuchZone");
    }
}

TEST_CASE("unknown options are refused rather than ignored", "[errors]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    const std::string invalid = "org.freedesktop.DBus.Error.InvalidArgs";
    const Dictionary unknown = {{"speed", sdbus::Variant(1)}};

    CHECK(error_of([&] { static_cast<void>(manager.StartZone("guest1", unknown)); }) == invalid);
    CHECK(error_of([&] { manager.ShutdownZone("guest1", unknown); }) == invalid);
    start_guest(manager, daemon.files());
    Zone zone(*connection, guest_path);
    CHECK(error_of([&] { static_cast<void>(zone.OpenConsole("", unknown)); }) == invalid);
    CHECK(error_of([&] { static_cast<void>(zone.OpenConsole("", {{"replay", sdbus::Variant("all")}})); }) ==
          invalid);
    CHECK(error_of([&] { zone.Shutdown(unknown); }) == invalid);
    CHECK(zone.State() == "running");
}

} // namespace
} // namespace hvisor::test
