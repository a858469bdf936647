// SPDX-License-Identifier: Apache-2.0
#include "manager_rig.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace zone_manager_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using test::changed;

TEST_CASE("a zone starts, is shut down, and starts again") {
    Bench bench;
    for (int round = 0; round < 3; ++round) {
        const auto started = bench.start();
        INFO(message(started));
        REQUIRE(started);
        CHECK(*started == "linux2");
        const ZoneState zone = bench.zone("linux2");
        CHECK(zone.state == State::running);
        CHECK(zone.managed);
        CHECK(zone.id == 1);
        CHECK(zone.cpus == std::vector<std::uint32_t>{2, 3});
        CHECK(zone.diagnosis.empty());
        REQUIRE(zone.devices.size() == 2);
        CHECK(zone.devices[0].type == "console");
        CHECK(zone.devices[1].id == "block-a003c00");
        CHECK(bench.read_magic() == magic_value);
        CHECK(bench.zone("linux2").devices[1].last_register == "MagicValue");

        const auto stopped = bench.manager.shutdown("linux2");
        INFO(message(stopped));
        REQUIRE(stopped);
        CHECK(bench.zone("linux2").state == State::stopped);
        CHECK(bench.hypervisor.list_zones()->size() == 1);
        CHECK(bench.hypervisor.real().panicked().empty());
    }
}

TEST_CASE("a zone that starts tells how much of its images has been loaded") {
    Bench bench;
    constexpr std::size_t size = 1024UL * 1024;
    bench.directory.write("Image", test::arm64_image(size).append(size - 64, 'k'));
    std::vector<unsigned> progress;
    bench.hypervisor.before_load = [&] {
        const ZoneState zone = bench.zone("linux2");
        CHECK(zone.state == State::starting);
        progress.push_back(zone.progress);
    };
    const auto started = bench.start();
    INFO(message(started));
    REQUIRE(started);
    // A quarter of the kernel at a time, then the device tree.
    CHECK(progress == std::vector<unsigned>{0, 24, 49, 74, 99});
    CHECK(bench.zone("linux2").progress == 0);
}

TEST_CASE("the console of a stopped zone can still be read") {
    Bench bench;
    REQUIRE(bench.start());
    REQUIRE(bench.manager.shutdown("linux2"));
    const auto devices = bench.manager.devices("linux2");
    REQUIRE(devices);
    CHECK((*devices)->open_console("", {}));
    CHECK((*devices)->open_console("block-a003c00", {}).error().code == ErrorCode::no_such_device);
    CHECK(bench.manager.devices("linux3").error().code == ErrorCode::no_such_zone);
}

TEST_CASE("the root zone and the zones of other tools are listed, not managed") {
    Bench bench;
    bench.hypervisor.real().add_zone(2, "other", 0x8, {});
    auto zones = bench.manager.zones();
    REQUIRE(zones.size() == 2);
    CHECK(zones[0].id == 0);
    CHECK_FALSE(zones[0].managed);
    CHECK(zones[0].cpus == std::vector<std::uint32_t>{0, 1});
    CHECK(zones[1].name == "other");
    CHECK(zones[1].state == State::running);
    CHECK_FALSE(zones[1].managed);

    const auto root = bench.manager.shutdown(zones[0].name);
    REQUIRE_FALSE(root);
    CHECK(root.error().code == ErrorCode::wrong_state);
    CHECK(bench.manager.shutdown("other"));
    CHECK(bench.manager.zones().size() == 1);

    // Other tools write into a name what they like.
    bench.hypervisor.real().add_zone(2, "a\xff\n", 0x8, {});
    CHECK(bench.manager.zones().at(1).name == "a??");
    CHECK(bench.manager.shutdown("a??"));
    bench.hypervisor.real().add_zone(2, "", 0x8, {});
    CHECK(bench.manager.shutdown("zone-2"));
}

TEST_CASE("a start that fails leaves nothing behind, whatever step it fails at") {
    Bench bench;
    // Once through, so that what is kept for ever is there already.
    REQUIRE(bench.start());
    REQUIRE(bench.manager.shutdown("linux2"));
    bench.hypervisor.fail_map = hvisor::Error{ErrorCode::invalid_config, "no"};
    REQUIRE_FALSE(bench.start());
    bench.hypervisor.fail_map.reset();
    const Holdings before;

    std::string zone(good_zone);
    std::string virtio(good_virtio);
    std::string expected;
    SECTION("reading the zone file") {
        zone = "{";
        expected = "z.json:1:2: not valid JSON";
    }
    SECTION("reading the virtio file") {
        virtio = "{}";
        expected = "v.json:1:1: /zones: this key is missing";
    }
    SECTION("checking") {
        zone = changed(zone, "[2, 3]", "[0, 3]");
        expected = "z.json:3:12: /cpus/0: CPU 0 belongs to the root zone";
    }
    SECTION("checking more than one thing") {
        zone = changed(zone, "[2, 3]", "[0, 3]");
        virtio = changed(virtio, "78", "79");
        expected = "v.json:5:66: /zones/0/devices/1/irq: interrupt 79 is not in the list \"interrupts\" of "
                   "zone linux2; add it there\n";
    }
    SECTION("checking a zone that is wrong in itself") {
        zone = changed(zone, R"("zone_id": 1)", R"("zone_id": 0)");
        expected = "z.json:2:14: /zone_id: zone 0 is the root zone, which runs already; expected 1 to 31";
    }
    SECTION("opening the kernel") {
        std::filesystem::remove(bench.directory.path() / "Image");
        expected = "z.json:10:22: /kernel_filepath: Image: No such file or directory";
    }
    SECTION("opening the disk") {
        std::filesystem::remove(bench.directory.path() / "disk.img");
        expected = "v.json:5:77: /zones/0/devices/1/img: disk.img: No such file or directory";
    }
    SECTION("mapping the guest's RAM") {
        bench.hypervisor.fail_map = hvisor::Error{ErrorCode::invalid_config, "not reserved"};
        expected = "v.json:2:37: /zones/0/memory_region/0/zone0_ipa: not reserved";
    }
    SECTION("mapping the guest's RAM, without a memory_region") {
        bench.hypervisor.fail_map = hvisor::Error{ErrorCode::invalid_config, "not reserved"};
        virtio = changed(
            virtio, R"({ "zone0_ipa": "0x50000000", "zonex_ipa": "0x50000000", "size": "0x30000000" })", "");
        expected = "z.json:5:40: /memory_regions/0/physical_start: not reserved";
    }
    SECTION("loading") {
        bench.hypervisor.fail_load = hvisor::Error{ErrorCode::invalid_config, "not reserved"};
        expected = "z.json:11:24: /kernel_load_paddr: loading Image to 0x50400000: not reserved";
    }
    SECTION("starting") {
        bench.hypervisor.fail_start = hvisor::Error{ErrorCode::resource_busy, "busy"};
        expected = "z.json: zone linux2: busy";
    }
    const auto started = bench.start(zone, virtio);
    REQUIRE_FALSE(started);
    INFO(started.error().message);
    CHECK(started.error().message.contains(expected));
    CHECK(Holdings() == before);
    CHECK(bench.manager.zones().size() == 1);
    // No route: a zone of that number gets no answer from devices that are gone.
    bench.hypervisor.real().add_zone(1, "foreign", 0xc, {{0xa003c00, 0x200}});
    CHECK(bench.read_magic() == 0);
}

TEST_CASE("a start leaves nothing behind whichever call of the hypervisor fails") {
    Bench bench;
    constexpr std::size_t chunk = 256UL * 1024;
    bench.directory.write("Image", test::arm64_image(3 * chunk).append((2 * chunk) - 64, 'k'));
    bench.directory.write("initrd.gz", std::string(chunk + 1, 'i'));
    // All that a start can do: RAM is cleared, a device tree made, a disk and a console served.
    const std::string zone =
        changed(changed(test::good_one_file, R"("size": "0x30000000")", R"("size": "0x2000000")"),
                R"("0x58000000")", R"("0x51000000")");
    REQUIRE(bench.start(zone, ""));
    REQUIRE(bench.manager.shutdown("linux2"));
    bench.hypervisor.fail_at = 2;
    REQUIRE_FALSE(bench.start(zone, "")); // once, so that what is kept for ever is there already
    const Holdings before;

    std::vector<std::string> failed;
    for (std::size_t call = 0;; ++call) {
        bench.hypervisor.fail_at = call;
        bench.hypervisor.failed_call.clear();
        const auto started = bench.start(zone, "");
        if (bench.hypervisor.failed_call.empty()) {
            INFO(message(started));
            REQUIRE(started);
            bench.hypervisor.fail_at.reset();
            break;
        }
        failed.push_back(bench.hypervisor.failed_call);
        INFO(call << ": " << failed.back());
        REQUIRE_FALSE(started);
        CHECK(started.error().message.contains("the call failed"));
        CHECK(Holdings() == before);
        CHECK(bench.zone("linux2").name.empty());
        bench.hypervisor.fail_at.reset();
        CHECK(bench.hypervisor.list_zones()->size() == 1);
    }
    // Every kind of call has failed; 32 MiB are cleared by 16 MiB.
    CHECK(std::ranges::contains(failed, "config_magic"));
    CHECK(std::ranges::contains(failed, "list_zones"));
    CHECK(std::ranges::count(failed, "map_ram") == 1);
    CHECK(std::ranges::count(failed, "clear") == 2);
    CHECK(std::ranges::count(failed, "load") == 2 + 2 + 1);
    CHECK(std::ranges::count(failed, "start_zone") == 1);
    CHECK(bench.zone("linux2").state == State::running);
}

TEST_CASE("a failed start does not take the stopped zone's place before it has checked everything") {
    Bench bench;
    REQUIRE(bench.start());
    REQUIRE(bench.manager.shutdown("linux2"));
    REQUIRE_FALSE(bench.start(changed(good_zone, "[2, 3]", "[0]")));
    CHECK(bench.zone("linux2").state == State::stopped);
    CHECK(bench.manager.devices("linux2"));
}

TEST_CASE("a zone of one file brings its devices") {
    Bench bench;
    const std::string whole = test::changed(
        test::good_zone, R"("zone_id": 1,)",
        R"("zone_id": 1, "devices": [ { "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk.img" } ],)");
    const auto refused = bench.start(whole);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_config);
    CHECK(refused.error().message.contains("z.json: the zone's devices are in this file; start it without "));
    const auto started = bench.start(whole, "");
    INFO(message(started));
    REQUIRE(started);
    CHECK(bench.zone("linux2").devices.size() == 1);
    CHECK(bench.read_magic() == magic_value);
}

TEST_CASE("a device tree that a guest could not use is refused before anything starts") {
    Bench bench;
    bench.directory.write("zone1.dtb", test::dtb().substr(0, 60));
    const auto started = bench.start();
    REQUIRE_FALSE(started);
    CHECK(started.error().message.contains("z.json:12:19: /dtb_filepath: zone1.dtb: "));
    CHECK(bench.manager.zones().size() == 1);
}

TEST_CASE("the structure is encoded as the hypervisor wants it") {
    SECTION("magic 5 of hvisor v0.4") {
        Bench bench({.magic = 5, .config_size = 3136});
        CHECK(bench.start());
    }
    SECTION("magic 5 with the larger structure") {
        Bench bench({.magic = 5, .config_size = 3264});
        CHECK(bench.start());
    }
    SECTION("magic 5 with neither") {
        Bench bench({.magic = 5, .config_size = 3000});
        const auto started = bench.start();
        REQUIRE_FALSE(started);
        CHECK(started.error().code == ErrorCode::hypervisor_refused);
        CHECK(started.error().message.contains("(structure of 3136 bytes)"));
        CHECK(started.error().message.contains("(structure of 3264 bytes)"));
    }
    SECTION("another magic") {
        Bench bench({.magic = 7});
        const auto started = bench.start();
        REQUIRE_FALSE(started);
        CHECK(started.error().code == ErrorCode::incompatible);
        CHECK(started.error().message.contains("version 0x7"));
    }
}

TEST_CASE("a zone is refused in the wrong state") {
    Bench bench;
    CHECK(bench.manager.shutdown("linux2").error().code == ErrorCode::no_such_zone);
    REQUIRE(bench.start());
    const auto again = bench.start();
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::zone_exists);
    CHECK(bench.zone("linux2").state == State::running);
    CHECK(bench.read_magic() == magic_value);
    REQUIRE(bench.manager.shutdown("linux2"));
    CHECK(bench.manager.shutdown("linux2").error().code == ErrorCode::wrong_state);
}

TEST_CASE("RAM of a running zone is not given to another") {
    Bench bench;
    REQUIRE(bench.start(changed(good_zone, "[2, 3]", "[2]")));
    std::string zone = changed(good_zone, R"("linux2")", R"("linux3")");
    zone = changed(zone, R"("zone_id": 1)", R"("zone_id": 2)");
    zone = changed(zone, "[2, 3]", "[3]");
    const auto started = bench.start(zone, changed(good_virtio, R"("id": 1)", R"("id": 2)"));
    REQUIRE_FALSE(started);
    CHECK(started.error().message.contains("overlaps RAM 0x50000000, size 0x30000000, of zone linux2"));
}

TEST_CASE("a zone that powers itself off is noticed") {
    Bench bench;
    std::atomic<int> changes = 0;
    REQUIRE(bench.start());
    bench.manager.refresh();
    bench.manager.on_change([&] { ++changes; });
    bench.manager.refresh();
    CHECK(changes == 0);

    bench.hypervisor.real().power_off(1);
    SECTION("by looking") {
        bench.manager.refresh();
        CHECK(changes == 1);
        CHECK(bench.zone("linux2").state == State::stopped);
        CHECK(bench.zone("linux2").reason.empty());
        CHECK(bench.manager.devices("linux2"));
        CHECK(bench.manager.shutdown("linux2").error().code == ErrorCode::wrong_state);
        CHECK(bench.start());
    }
    SECTION("by starting it again at once") {
        CHECK(bench.start());
        CHECK(bench.read_magic() == magic_value);
    }
    SECTION("by shutting it down at once") {
        CHECK(bench.manager.shutdown("linux2"));
        CHECK(bench.zone("linux2").state == State::stopped);
    }
}

TEST_CASE("a zone that the hypervisor has marked is failed until it is shut down") {
    Bench bench;
    REQUIRE(bench.start());
    CHECK_FALSE(bench.hypervisor.real().guest_read(2, 0x1000, 4)); // outside of its regions
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::failed);
    CHECK(bench.zone("linux2").reason.contains("memory_regions"));
    CHECK(bench.manager.shutdown("linux2"));
    CHECK(bench.zone("linux2").state == State::stopped);
    CHECK(bench.zone("linux2").reason.empty());
}

TEST_CASE("a shutdown that the hypervisor refuses can be tried again") {
    Bench bench;
    REQUIRE(bench.start());
    bench.hypervisor.fail_shutdown = hvisor::Error{ErrorCode::hypervisor_refused, "not now"};
    const auto refused = bench.manager.shutdown("linux2");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "zone linux2: not now");
    CHECK(bench.zone("linux2").state == State::failed);
    CHECK(bench.zone("linux2").reason == "it could not be shut down: not now");
    CHECK(bench.read_magic() == magic_value); // its CPUs still get answers
    bench.hypervisor.fail_shutdown.reset();
    CHECK(bench.manager.shutdown("linux2"));
}

TEST_CASE("looking at zones does not wait for one that starts or shuts down") {
    Bench bench;
    bench.manager.on_change([&] { static_cast<void>(bench.manager.zones()); });
    test::AtTheGate starting(bench.hypervisor, [&bench] { return message(bench.start()); });
    CHECK(bench.zone("linux2").state == State::starting);
    CHECK(bench.manager.devices("linux2"));
    bench.manager.refresh();
    CHECK(starting.finish().empty());
    CHECK(bench.zone("linux2").state == State::running);

    test::AtTheGate stopping(bench.hypervisor,
                             [&bench] { return message(bench.manager.shutdown("linux2")); });
    CHECK(bench.zone("linux2").state == State::stopping);
    CHECK(bench.read_magic() == magic_value); // a CPU that waits is answered until the zone is gone
    CHECK(stopping.finish().empty());
    CHECK(bench.zone("linux2").state == State::stopped);
    CHECK(bench.hypervisor.real().panicked().empty());
}

} // namespace zone_manager_test
