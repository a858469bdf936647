// SPDX-License-Identifier: Apache-2.0
#include "manager_rig.hpp"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <fcntl.h>
#include <string>

namespace zone_change_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using hvisor::UniqueFd;
using test::changed;

namespace {

constexpr std::string_view more_disk =
    R"({ "type": "blk", "addr": "0xa003e00", "len": "0x200", "irq": 78, "img": "more.img" })";

/// The good zone with room for one more window.
std::string roomy_zone() {
    return changed(good_zone,
                   R"("physical_start": "0xa003c00", "virtual_start": "0xa003c00", "size": "0x200")",
                   R"("physical_start": "0xa003c00", "virtual_start": "0xa003c00", "size": "0x400")");
}

struct ChangeBench : Bench {
    ChangeBench() {
        directory.write("more.img", std::string(8192, 'm'));
        const auto started = start(roomy_zone());
        INFO(message(started));
        REQUIRE(started);
    }

    hvisor::Result<std::string> attach(std::string_view device = more_disk) {
        return manager.attach_device("linux2", text("more.json", device),
                                     FileTable{.files = {}, .may_open = true});
    }
    [[nodiscard]] std::uint64_t guest_read(std::uint64_t address) {
        return hypervisor.real().guest_read(2, address, 4).value_or(UINT64_MAX);
    }
    [[nodiscard]] UniqueFd open(const char* name, int mode = O_RDWR) const {
        return UniqueFd(::open((directory.path() / name).c_str(), mode | O_CLOEXEC));
    }
    [[nodiscard]] std::string path(const char* name) const { return (directory.path() / name).string(); }
};

} // namespace

TEST_CASE("a device is attached to a zone that runs, and detached") {
    ChangeBench bench;
    CHECK(bench.guest_read(0xa003e00) == 0);
    const Holdings before;
    const auto attached = bench.attach();
    INFO(message(attached));
    REQUIRE(attached);
    CHECK(*attached == "block-a003e00");
    CHECK(bench.guest_read(0xa003e00) == magic_value);
    REQUIRE(bench.zone("linux2").devices.size() == 3);
    CHECK(bench.zone("linux2").devices.back().disk->capacity == 8192);

    REQUIRE(bench.manager.detach_device("linux2", *attached, false));
    CHECK(bench.guest_read(0xa003e00) == 0);
    CHECK(bench.zone("linux2").devices.size() == 2);
    CHECK(Holdings() == before);
    // Again, and it goes with its zone.
    REQUIRE(bench.attach());
    // Linux sets ACKNOWLEDGE once more when a driver has let go.
    REQUIRE(bench.hypervisor.real().guest_write(2, 0xa003e70, 4, 1));
    REQUIRE(bench.manager.detach_device("linux2", *attached, false));
    REQUIRE(bench.attach());
    REQUIRE(bench.manager.shutdown("linux2"));
    REQUIRE(bench.start(roomy_zone()));
    CHECK(bench.zone("linux2").devices.size() == 2);
}

TEST_CASE("a device that does not fit its zone is refused with its place, and nothing stays behind") {
    ChangeBench bench;
    const Holdings before;
    const auto refusal = [&](std::string_view from, std::string_view to) {
        const auto refused = bench.attach(changed(more_disk, from, to));
        CHECK_FALSE(refused);
        return message(refused);
    };
    CHECK(refusal("0xa003e00", "0xa003c00")
              .contains("more.json:1:26: /addr: the window 0xa003c00, size 0x200"));
    CHECK(refusal("0xa003e00", "0xa004000").contains("/addr: "));
    CHECK(refusal("78", "79").contains("/irq: interrupt 79 is not in the list"));
    CHECK(refusal("more.img", "disk.img").contains("/img: disk.img is a disk of zone linux2"));
    CHECK(refusal("more.img", "none.img").contains("/img: none.img: "));
    CHECK(refusal("\"blk\"", "\"tape\"").contains("/type: "));
    CHECK(refusal("\"img\"", "\"image\"").contains("/image"));
    CHECK(refusal(R"("irq": 78)", R"("irq": 78, "status": "disable")")
              .contains("/status: this device is disabled"));
    CHECK_FALSE(bench.attach("{"));
    CHECK_FALSE(bench.attach("[]"));
    CHECK(bench.zone("linux2").devices.size() == 2);
    CHECK(Holdings() == before);

    const auto unknown = bench.manager.attach_device("none", bench.text("d.json", more_disk), {});
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::no_such_zone);
    REQUIRE(bench.manager.shutdown("linux2"));
    const auto stopped = bench.attach();
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code == ErrorCode::wrong_state);
}

TEST_CASE("a device that a driver uses is detached by force alone") {
    ChangeBench bench;
    // ACKNOWLEDGE and DRIVER in the register Status of the zone's disk (virtio 1.2, 2.1, 4.2.2).
    REQUIRE(bench.hypervisor.real().guest_write(2, 0xa003c70, 4, 3));
    const auto refused = bench.manager.detach_device("linux2", "block-a003c00", false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::wrong_state);
    CHECK(refused.error().message.contains("unbind"));
    CHECK(bench.read_magic() == magic_value);
    REQUIRE(bench.manager.detach_device("linux2", "block-a003c00", true));
    CHECK(bench.read_magic() == 0);
    const auto gone = bench.manager.detach_device("linux2", "block-a003c00", true);
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == ErrorCode::no_such_device);
    // Its image is free for another zone, or for the same one.
    CHECK(bench.attach(changed(more_disk, "more.img", "disk.img")));
}

TEST_CASE("another image in a disk, and the old one is free") {
    ChangeBench bench;
    const auto size =
        bench.manager.swap_image("linux2", "block-a003c00", bench.path("more.img"), bench.open("more.img"));
    INFO(message(size));
    REQUIRE(size);
    CHECK(*size == 8192);
    const auto zone = bench.zone("linux2");
    const auto disk = std::ranges::find(zone.devices, "block", &DeviceState::type);
    CHECK(disk->backend == bench.path("more.img"));
    CHECK_FALSE(bench.attach());
    CHECK(bench.attach(changed(more_disk, "more.img", "disk.img")));

    const auto swap = [&](const char* device, const std::string& path, UniqueFd image) {
        return bench.manager.swap_image("linux2", device, path, std::move(image));
    };
    CHECK(swap("console-a003800", bench.path("more.img"), bench.open("more.img")).error().code ==
          ErrorCode::no_such_device);
    CHECK(swap("block-a003c00", "relative.img", bench.open("more.img")).error().code ==
          ErrorCode::invalid_config);
    CHECK(swap("block-a003c00", bench.path("disk.img"), bench.open("disk.img")).error().code ==
          ErrorCode::resource_busy);
    CHECK(
        swap("block-a003c00", "/dev/null", UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))).error().code ==
        ErrorCode::invalid_config);
    CHECK(swap("block-a003c00", bench.path("Image"), bench.open("Image", O_RDONLY)).error().code ==
          ErrorCode::invalid_config);
}

TEST_CASE("a link is only a network device's") {
    ChangeBench bench;
    const auto devices = bench.manager.devices("linux2");
    REQUIRE(devices);
    CHECK((*devices)->set_link("block-a003c00", false).error().code == ErrorCode::no_such_device);
    CHECK((*devices)->set_link("net-1", false).error().code == ErrorCode::no_such_device);
}

TEST_CASE("a zone without an agent or a keyboard cannot be asked to power itself off") {
    ChangeBench bench;
    for (const auto purpose : {ZoneManager::PowerOff::for_good, ZoneManager::PowerOff::to_restart}) {
        CHECK_FALSE(bench.manager.ask_to_power_off("linux2", purpose).value());
        CHECK_FALSE(bench.manager.ask_to_power_off("none", purpose).value());
    }
    CHECK(bench.zone("linux2").state == State::running);
}

} // namespace zone_change_test
