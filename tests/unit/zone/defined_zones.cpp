// SPDX-License-Identifier: Apache-2.0
#include "zone/defined_zones.hpp"

#include "manager_rig.hpp"
#include "temporary_directory.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace defined_zones_test {

using namespace hvisor::zone;
using test::changed;
using test::good_one_file;

namespace {

namespace fs = std::filesystem;

/// Two folders of configured zones, the first of which wins; the second is not there at first.
struct Configured {
    test::TemporaryDirectory root;
    DefinedZones zones{{root.path() / "etc", root.path() / "usr"}};

    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const DefinedZone& zone : zones.zones()) {
            names.push_back(zone.state.name);
        }
        return names;
    }
};

} // namespace

TEST_CASE("zones are defined by the files that are there") {
    Configured configured;
    CHECK(configured.names().empty());
    CHECK_FALSE(configured.zones.refresh());

    configured.root.write("usr/linux2.json", std::string(good_one_file));
    configured.root.write("usr/linux2.virtio.json", "");
    configured.root.write("usr/.hidden.json", "");
    configured.root.write("usr/\xff.json", "");
    configured.root.write("usr/notes.txt", "");
    configured.root.write("etc/only-a-drop-in.json.d/10.json", "{}");
    CHECK(configured.zones.refresh());
    REQUIRE(configured.names() == std::vector<std::string>{"linux2"});
    const ZoneState zone = configured.zones.zones().at(0).state;
    CHECK(zone.state == State::defined);
    CHECK(to_string(zone.state) == "defined");
    CHECK(zone.id == 1);
    CHECK(zone.cpus == std::vector<std::uint32_t>{2, 3});
    CHECK(zone.diagnosis.empty());
    CHECK_FALSE(zone.managed);
    CHECK_FALSE(configured.zones.refresh());

    fs::remove(configured.root.path() / "usr/linux2.json");
    CHECK(configured.zones.refresh());
    CHECK(configured.names().empty());
}

TEST_CASE("what defines a zone is read again when a file of it has changed") {
    Configured configured;
    configured.root.write("usr/b.json", changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 2)"));
    configured.root.write("usr/a.json", std::string(good_one_file));
    CHECK(configured.zones.refresh());
    REQUIRE(configured.names() == std::vector<std::string>{"a", "b"});
    CHECK(configured.zones.zones().at(1).state.id == 2);
    CHECK(configured.zones.zones().at(1).own_name == "linux2");

    // A drop-in, and a file that hides another one.
    configured.root.write("etc/b.json.d/10-number.json", R"({"zone_id": 3})");
    CHECK(configured.zones.refresh());
    CHECK(configured.zones.zones().at(1).state.id == 3);
    configured.root.write("etc/a.json", changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 4)"));
    CHECK(configured.zones.refresh());
    CHECK(configured.zones.zones().at(0).state.id == 4);
}

TEST_CASE("a zone whose file cannot be read is defined, and says why") {
    Configured configured;
    configured.root.write("etc/bad.json", "{\n \"zone_id\": 1,\n \"devices\": 5 }");
    fs::create_symlink("nowhere", configured.root.path() / "etc/broken.json");
    CHECK(configured.zones.refresh());
    // What a broken link hides is found in the next folder, where nothing is.
    REQUIRE(configured.names() == std::vector<std::string>{"bad", "broken"});
    const ZoneState bad = configured.zones.zones().at(0).state;
    CHECK(bad.diagnosis.contains("bad.json:"));
    CHECK_FALSE(bad.diagnosis.contains('\n'));
    CHECK(bad.id == 0);
    CHECK(configured.zones.zones().at(1).state.diagnosis.contains("there is no broken.json in "));
}

TEST_CASE("a manager lists zones that are only configured behind all others") {
    Bench bench;
    bench.manager.refresh_definitions();
    CHECK(bench.manager.zones().size() == 1);
    bench.directory.write("camera.json", good_zone);
    bench.directory.write("camera.virtio.json", good_virtio);
    bench.directory.write("other.json", changed(good_zone, R"("linux2")", R"("linux3")"));
    unsigned changes = 0;
    bench.manager.on_change([&changes] { ++changes; });
    bench.manager.refresh_definitions();
    CHECK(changes == 1);
    CHECK(bench.manager.zones().size() == 3);
    CHECK(bench.zone("camera").state == State::defined);
    CHECK(bench.manager.shutdown("camera").error().code == hvisor::ErrorCode::wrong_state);
    CHECK(bench.manager.devices("camera").error().code == hvisor::ErrorCode::no_such_device);

    // While it runs, and when it has been stopped, it is itself and no longer its file.
    REQUIRE(bench.manager.start_configured("camera"));
    const auto zones = bench.manager.zones();
    REQUIRE(zones.size() == 3);
    CHECK(zones.at(1).name == "linux2");
    CHECK(zones.at(2).name == "other");
    REQUIRE(bench.manager.shutdown("linux2"));
    CHECK(bench.manager.zones().size() == 3);
    CHECK(bench.zone("linux2").state == State::stopped);
    bench.manager.on_change({});
}

} // namespace defined_zones_test
