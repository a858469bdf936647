// SPDX-License-Identifier: Apache-2.0
#include "manager_rig.hpp"

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <string>

namespace zone_manager_devices_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using hvisor::UniqueFd;
using test::changed;

TEST_CASE("devices that were configured before are created when the zone starts") {
    Bench bench;
    FileTable files;
    files.files.emplace("disk.img",
                        UniqueFd(::open((bench.directory.path() / "disk.img").c_str(), O_RDWR | O_CLOEXEC)));
    const auto ids = bench.manager.configure_virtio(bench.text("v.json", good_virtio), std::move(files));
    INFO(message(ids));
    REQUIRE(ids);
    CHECK(*ids == std::vector<std::uint32_t>{1});
    for (int round = 0; round < 2; ++round) {
        REQUIRE(bench.start(good_zone, ""));
        CHECK(bench.zone("linux2").devices.size() == 2);
        REQUIRE(bench.manager.shutdown("linux2"));
    }
}

TEST_CASE("nothing is remembered of a virtio file that is wrong") {
    Bench bench;
    CHECK_FALSE(bench.manager.configure_virtio(bench.text("v.json", good_virtio), {}));
    CHECK_FALSE(bench.manager.configure_virtio(bench.text("v.json", "{"), {}));
    REQUIRE(bench.start(good_zone, ""));
    CHECK(bench.zone("linux2").devices.empty());
    CHECK(bench.read_magic() == 0);
}

TEST_CASE("a zone that runs already gets its devices when they are configured") {
    Bench bench;
    bench.hypervisor.real().add_zone(1, "theirs", 0xc, {{0xa003800, 0x200}, {0xa003c00, 0x200}});
    REQUIRE(bench.read_magic() == 0);
    const auto ids = bench.manager.configure_virtio(bench.text("v.json", good_virtio),
                                                    FileTable{.files = {}, .may_open = true});
    INFO(message(ids));
    REQUIRE(ids);
    CHECK(bench.read_magic() == magic_value);
    const auto zone = bench.zone("theirs");
    CHECK(zone.managed);
    CHECK(zone.state == State::running);
    CHECK(zone.cpus == std::vector<std::uint32_t>{2, 3});
    CHECK(zone.devices.size() == 2);
    CHECK(bench.manager.devices("theirs"));
    // Once more changes nothing for the zone that has them.
    CHECK(bench.manager.configure_virtio(bench.text("v.json", good_virtio),
                                         FileTable{.files = {}, .may_open = true}));
    CHECK(bench.read_magic() == magic_value);
    REQUIRE(bench.manager.shutdown("theirs"));
    CHECK(bench.zone("theirs").state == State::stopped);
}

TEST_CASE("a running zone gets no devices from a file that is wrong") {
    Bench bench;
    bench.hypervisor.real().add_zone(1, "theirs", 0xc, {{0xa003c00, 0x200}});
    const Holdings before;
    const std::string no_memory = changed(
        good_virtio, R"({ "zone0_ipa": "0x50000000", "zonex_ipa": "0x50000000", "size": "0x30000000" })", "");
    const auto refused = bench.manager.configure_virtio(bench.text("v.json", no_memory),
                                                        FileTable{.files = {}, .may_open = true});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_config);
    CHECK(refused.error().message.contains("v.json:1:14: /zones/0: zone 1 runs already"));

    bench.hypervisor.fail_map = hvisor::Error{ErrorCode::not_permitted, "no"};
    CHECK_FALSE(bench.manager.configure_virtio(bench.text("v.json", good_virtio),
                                               FileTable{.files = {}, .may_open = true}));
    CHECK(Holdings() == before);
    CHECK_FALSE(bench.zone("theirs").managed);
    CHECK(bench.read_magic() == 0);
}

TEST_CASE("a configured zone starts by its name") {
    Bench bench;
    bench.directory.write("linux2.json", good_zone);
    bench.directory.write("linux2.virtio.json", good_virtio);
    const auto started = bench.manager.start_configured("linux2");
    INFO(message(started));
    CHECK(started);
    CHECK(bench.zone("linux2").devices.size() == 2);
    for (const char* name : {"other", "", "../z", ".hidden", "a/b"}) {
        INFO(name);
        const auto refused = bench.manager.start_configured(name);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::no_such_zone);
    }
}

} // namespace zone_manager_devices_test
