// SPDX-License-Identifier: Apache-2.0
#include "zone_rig.hpp"

#include "devices/block/config.hpp"

#include <future>
#include <poll.h>

namespace zone_devices_test {

using namespace hvisor;
using namespace hvisor::zone;
using enum virtio::Register;

namespace {

constexpr virtio::FeatureSet plain{virtio::FeatureBit::version_1};

std::string read_exactly(int fd, std::size_t size) {
    std::string text;
    pollfd poll_fd{.fd = fd, .events = POLLIN, .revents = 0};
    while (text.size() < size && ::poll(&poll_fd, 1, 5000) == 1) {
        std::array<char, 4096> buffer{};
        const auto count = ::read(fd, buffer.data(), std::min(buffer.size(), size - text.size()));
        if (count <= 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return text;
}

} // namespace

TEST_CASE("accesses go to the device whose window they hit") {
    ZoneRig rig;
    CHECK(rig.driver(disk_address).get(device_id) == 2);
    CHECK(rig.driver(console_address, 3).get(device_id) == 3);
    const auto states = rig.devices->inspect();
    REQUIRE(states.size() == 2);
    CHECK(states[0].id == "block-a003c00");
    CHECK(states[0].type == "block");
    CHECK(states[0].backend == "disk.img");
    CHECK(states[0].last_register == "DeviceID");
    CHECK(states[0].accesses == 1);
    CHECK(states[0].queues.size() == 1);
    CHECK(states[1].id == "console-a003800");
    CHECK(states[1].interrupt == console_interrupt);
    CHECK(states[1].backend.starts_with("/dev/pts/"));
}

TEST_CASE("two devices may lie in one region") {
    // The second one's notifications arrive with an answer due (hvisor interface, 3.6).
    ZoneRig rig({}, {{.address = 0xa003000, .size = 0x1000}});
    CHECK(Disk(rig, plain).run(50, 4));
    // Between the windows there is nothing.
    const auto nothing = rig.driver(0xa003000);
    CHECK(nothing.get(magic_value) == 0);
    nothing.set(virtio::Register::status, 1);
    // Nor across the end of one.
    CHECK(rig.driver(console_address).read(window - 4, 8) == 0);
}

TEST_CASE("a device shows how it is doing") {
    ZoneRig rig;
    Disk disk(rig, plain);
    REQUIRE(disk.run(10, 2));
    const auto state = rig.devices->inspect().at(0);
    CHECK(state.status == 0xf);
    CHECK(state.queues.at(0).ready);
    CHECK(state.queues.at(0).size == 64);
    CHECK(state.queues.at(0).avail_index == 10);
    CHECK(state.queues.at(0).used_index == 10);
    CHECK(state.interrupts_sent > 0);
    CHECK(state.queues.at(0).metrics.requests.get() == 10);
    CHECK(state.queues.at(0).metrics.bytes.get() == 10 * 512);

    // An interrupt that the guest does not look at grows old.
    kit::SplitQueue queue(rig.ram, 16);
    const auto driver = rig.driver(console_address);
    REQUIRE(driver.negotiate(plain));
    const kit::SplitQueue receive(rig.ram, 16);
    REQUIRE(driver.set_up_queue(0, receive));
    REQUIRE(driver.set_up_queue(1, queue));
    driver.start();
    kit::ChainBuilder(queue).readable("x").add();
    driver.kick(1);
    CHECK(kit::eventually([&] {
        const auto console = rig.devices->inspect().at(1);
        return console.unacknowledged > std::chrono::milliseconds(5) && console.interrupts_repeated > 0;
    }));
    driver.acknowledge();
    CHECK_FALSE(rig.devices->inspect().at(1).unacknowledged);
}

TEST_CASE("settings that cannot work are refused with the device's name") {
    ZoneRig rig;
    const auto refuse = [&](auto change) {
        auto settings = rig.settings();
        change(settings);
        auto created =
            ZoneDevices::create(2, "other", rig.make_memory(), std::move(settings), rig.loop, rig.store);
        REQUIRE_FALSE(created);
        CHECK(created.error().code == ErrorCode::invalid_config);
        return created.error().message;
    };
    CHECK(
        refuse([](auto& all) { all[1].address = disk_address + 0x100; }).contains("overlaps block-a003c00"));
    CHECK(refuse([](auto& all) { all[0].length = 0xff; }).contains("block at 0xa003c00"));
    CHECK(refuse([](auto& all) { all[0].address = UINT64_MAX - 0x100; }).contains("wraps"));
    CHECK(refuse([](auto& all) {
              all[0].model = BlockSettings{.image = UniqueFd(::memfd_create("empty", MFD_CLOEXEC)),
                                           .file = {.path = "empty.img"}};
          }).contains("block at 0xa003c00: disk image empty.img"));
    const auto add_seven = [](auto& all) {
        for (std::uint32_t i = 0; i < 7; ++i) {
            all.push_back({.address = 0xb000000 + 0x1000ULL * i,
                           .length = 0x200,
                           .interrupt = i,
                           .model = ConsoleSettings{}});
        }
    };
    CHECK(refuse(add_seven).contains("different interrupts"));
}

TEST_CASE("a quiesced zone's registers are answered until it is gone") {
    ZoneRig rig;
    Disk disk(rig, plain);
    REQUIRE(disk.run(10, 2));
    rig.devices->quiesce();
    rig.devices->quiesce();
    const auto driver = rig.driver(disk_address);
    CHECK(driver.get(virtio::Register::status) == 0xf);
    driver.kick(0);
    driver.reset();
    CHECK(driver.get(virtio::Register::status) == 0);
    REQUIRE(rig.hypervisor.shutdown_zone(zone_id));
}

TEST_CASE("a zone is shut down in the middle of its work, and starts again") {
    ZoneRig rig;
    for (int round = 0; round < 3; ++round) {
        Disk disk(rig, plain);
        REQUIRE(disk.run(20, 4));
        // A CPU that goes on touching registers while the zone stops.
        std::atomic<bool> stop{false};
        auto busy = std::async(std::launch::async, [&] {
            while (!stop && rig.hypervisor.guest_read(3, disk_address, 4)) {
            }
        });
        rig.devices->quiesce();
        CHECK(rig.loop.drain());
        stop = true;
        REQUIRE(rig.hypervisor.shutdown_zone(zone_id));
        busy.get();
        rig.loop.remove_zone(zone_id);

        rig.hypervisor.add_zone(
            zone_id, "linux2", zone_cpus,
            {{.address = disk_address, .size = window}, {.address = console_address, .size = window}});
        auto again =
            ZoneDevices::create(zone_id, "linux2", rig.make_memory(), rig.settings(), rig.loop, rig.store);
        REQUIRE(again);
        rig.devices = std::move(*again);
        rig.loop.add_zone(zone_id, rig.devices);
    }
}

TEST_CASE("a console is opened by its id, or as the first one") {
    ZoneRig rig;
    const auto driver = rig.driver(console_address);
    const kit::SplitQueue receive(rig.ram, 16);
    kit::SplitQueue transmit(rig.ram, 16);
    REQUIRE(driver.negotiate(plain));
    REQUIRE(driver.set_up_queue(0, receive));
    REQUIRE(driver.set_up_queue(1, transmit));
    driver.start();
    kit::ChainBuilder(transmit).readable("Welcome\r\n").add();
    driver.kick(1);
    REQUIRE(kit::eventually([&] { return transmit.used_index() == 1; }));

    const auto first = rig.devices->open_console("", {});
    const auto named = rig.devices->open_console("console-a003800", {.replay = 4, .read_only = true});
    REQUIRE(first);
    REQUIRE(named);
    CHECK(read_exactly(first->get(), 9) == "Welcome\r\n");
    CHECK(read_exactly(named->get(), 4) == "me\r\n");
    CHECK(rig.devices->open_console("block-a003c00", {}).error().code == ErrorCode::no_such_device);

    rig.devices->quiesce();
    const auto after = rig.devices->open_console("", {});
    REQUIRE(after);
    CHECK(read_exactly(after->get(), 100) == "Welcome\r\n");
}

TEST_CASE("a guest that does everything wrong leaves the other device alone") {
    ZoneRig rig;
    const auto hostile = rig.driver(console_address, 3);
    for (std::uint32_t i = 0; i < 3000; ++i) {
        const auto offset = (i * 2654435761U >> 7) % window;
        const unsigned size = 1U << (i % 4);
        if (offset + size <= window) {
            hostile.write(offset, size, i * 0x9e3779b97f4a7c15);
            static_cast<void>(hostile.read(offset, size));
        }
    }
    CHECK(Disk(rig, plain).run(50, 4));
    CHECK(rig.hypervisor.list_zones()->at(1).has_error == false);
}

} // namespace zone_devices_test
