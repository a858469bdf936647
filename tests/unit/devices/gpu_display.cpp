// SPDX-License-Identifier: Apache-2.0
// What a driver learns of its displays: sizes, EDID, changes.
#include "devices/gpu/edid.hpp"
#include "gpu_rig.hpp"

#include <numeric>
#include <string>

namespace gpu_display_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

using Bytes = std::vector<std::byte>;

unsigned byte_at(const Bytes& edid, std::size_t place) {
    return std::to_integer<unsigned>(edid.at(place));
}
/// A number of 12 bits of which four are elsewhere.
unsigned wide(const Bytes& edid, std::size_t low, std::size_t high, unsigned shift) {
    return byte_at(edid, low) | (byte_at(edid, high) >> shift & 15U) << 8;
}

/// The first detailed timing as its parts.
struct Timing {
    unsigned clock, width, blank_width, height, blank_height, front, sync, lines;
    explicit Timing(const Bytes& edid)
        : clock(byte_at(edid, 54) | byte_at(edid, 55) << 8),
          width(wide(edid, 56, 58, 4)),
          blank_width(wide(edid, 57, 58, 0)),
          height(wide(edid, 59, 61, 4)),
          blank_height(wide(edid, 60, 61, 0)),
          front(byte_at(edid, 62)),
          sync(byte_at(edid, 63)),
          lines(byte_at(edid, 64)) {}
    [[nodiscard]] double refresh() const {
        return clock * 10e3 / ((width + blank_width) * double(height + blank_height));
    }
};

void check_block(const Bytes& edid) {
    REQUIRE(edid.size() == 128);
    unsigned sum = 0;
    for (const auto byte : edid) {
        sum += std::to_integer<unsigned>(byte);
    }
    CHECK(sum % 256 == 0);
    CHECK(byte_at(edid, 0) == 0);
    CHECK(byte_at(edid, 7) == 0);
    for (std::size_t i = 1; i < 7; ++i) {
        CHECK(byte_at(edid, i) == 0xff);
    }
    CHECK(byte_at(edid, 18) == 1);
    CHECK(byte_at(edid, 126) == 0); // no further blocks
}

} // namespace

TEST_CASE("gpu: an EDID that is made has a checksum and the preferred mode's timing") {
    // The published modes of CVT with reduced blanking.
    struct Known {
        Size size;
        unsigned clock, total_width, total_height;
    };
    for (const auto& known : {Known{{.width = 1920, .height = 1080}, 13850, 2080, 1111},
                              Known{{.width = 1280, .height = 800}, 7100, 1440, 823},
                              Known{{.width = 1024, .height = 768}, 5600, 1184, 790},
                              Known{{.width = 3840, .height = 2160}, 53325, 4000, 2222}}) {
        const auto edid = make_edid({.preferred = known.size, .refresh = 60000});
        check_block(edid);
        const Timing timing(edid);
        INFO(known.size.width << " x " << known.size.height);
        CHECK(timing.clock == known.clock);
        CHECK(timing.width == known.size.width);
        CHECK(timing.height == known.size.height);
        CHECK(timing.width + timing.blank_width == known.total_width);
        CHECK(timing.height + timing.blank_height == known.total_height);
        CHECK(timing.front == 48);
        CHECK(timing.sync == 32);
    }
}

TEST_CASE("gpu: an EDID can say any size and rate, or there is none") {
    for (const auto side : {1U, 8U, 61U, 640U, 1366U, 4095U}) {
        for (const auto refresh : {0U, 1U, 1000U, 24000U, 60000U, 144000U, 240000U, 4000000U, UINT32_MAX}) {
            INFO(side << " at " << refresh);
            const auto edid = make_edid({.preferred = {.width = side, .height = side}, .refresh = refresh});
            check_block(edid);
            const Timing timing(edid);
            CHECK(timing.clock != 0);
            CHECK(timing.width == side);
            CHECK(timing.height == side);
            if (refresh == 60000 && side == 640) {
                CHECK(timing.refresh() > 59);
                CHECK(timing.refresh() < 60.1);
            }
        }
    }
    CHECK(make_edid({.preferred = {.width = 4096, .height = 1}}).empty());
    CHECK(make_edid({.preferred = {.width = 1, .height = 16384}}).empty());
    CHECK(make_edid({.preferred = {}}).empty());
}

TEST_CASE("gpu: an EDID has the display's name and size") {
    const auto edid = make_edid({.connector = "HDMI-A-1",
                                 .preferred = {.width = 1920, .height = 1080},
                                 .millimetres = {.width = 527, .height = 296}});
    check_block(edid);
    CHECK(byte_at(edid, 21) == 52);
    CHECK(byte_at(edid, 22) == 29);
    CHECK(wide(edid, 66, 68, 4) == 527);
    CHECK(wide(edid, 67, 68, 0) == 296);
    CHECK(byte_at(edid, 75) == 0xfc);
    CHECK(kit::to_text(std::span(edid).subspan(77, 13)) == "HDMI-A-1\n    ");
}

TEST_CASE("gpu: GET_EDID answers with what is made, or with the display's own") {
    GpuRig rig({.screens = {{.width = 1280, .height = 800}, {.width = 800, .height = 600}}, .is_held = true});
    const auto ask = [&](std::uint32_t scanout) {
        return rig.command(Command::get_edid, GetEdid{.scanout = scanout, .padding = 0});
    };
    const auto made = ask(0);
    CHECK(made.type() == Response::ok_edid);
    CHECK(made.length == sizeof(Header) + sizeof(EdidAnswer));
    const auto body = made.body<EdidAnswer>();
    CHECK(body.size == 128);
    check_block({body.edid.begin(), body.edid.begin() + 128});
    CHECK(std::ranges::all_of(std::span(body.edid).subspan(128),
                              [](auto byte) { return byte == std::byte{0}; }));
    CHECK(ask(2).type() == Response::err_invalid_scanout_id);
    CHECK(ask(UINT32_MAX).type() == Response::err_invalid_scanout_id);

    const auto give = [&](std::size_t length) {
        rig.with_screen([&](HeldScreen& screen) { screen.now.edid.assign(length, std::byte{0x5a}); });
        return ask(0).body<EdidAnswer>();
    };
    const auto own = give(1024);
    CHECK(own.size == 1024);
    CHECK(std::ranges::all_of(own.edid, [](auto byte) { return byte == std::byte{0x5a}; }));
    CHECK(give(256).size == 256);
    CHECK(give(1025).size == 128); // made
}

TEST_CASE("gpu: display information is of the screens, side by side") {
    GpuRig rig({.screens = {{.width = 1280, .height = 800},
                            {.width = 800, .height = 600},
                            {.width = 64, .height = 64}},
                .is_held = true});
    rig.with_screen([](HeldScreen& screen) { screen.now.is_connected = false; }, 1);
    const auto got = rig.command(Command::get_display_info);
    CHECK(got.type() == Response::ok_display_info);
    CHECK(got.length == sizeof(Header) + sizeof(DisplayInfo));
    const auto info = got.body<DisplayInfo>();
    CHECK(info.pmodes[0].enabled == 1);
    CHECK(info.pmodes[0].r.width == 1280);
    CHECK(info.pmodes[0].r.height == 800);
    CHECK(info.pmodes[1].enabled == 0);
    CHECK(info.pmodes[1].r.width == 0);
    CHECK(info.pmodes[2].enabled == 1);
    CHECK(info.pmodes[2].r.x == 1280);
    CHECK(info.pmodes[3].enabled == 0);
}

TEST_CASE("gpu: a driver hears of a display that changes, and clears the event") {
    GpuRig rig;
    const auto events = [&] { return rig.driver.config<std::uint32_t>(offsetof(Config, events_read)); };
    const auto generation = [&] { return rig.driver.get(virtio::Register::config_generation); };
    CHECK(events() == 0);
    rig.driver.acknowledge();
    const auto before = generation();
    REQUIRE(rig.device.resize(0, {.width = 1000, .height = 700}));
    REQUIRE(kit::eventually([&] { return events() == event_display; }));
    CHECK((rig.driver.acknowledge() & virtio::interrupt_config_change) != 0);
    CHECK(generation() != before);
    const auto info = rig.command(Command::get_display_info).body<DisplayInfo>();
    CHECK(info.pmodes[0].r.width == 1000);
    CHECK(rig.device.scanouts().front().size == Size{.width = 1000, .height = 700});
    // As Linux does it: no interrupt follows, or it would do it again and again.
    rig.settle();
    rig.driver.acknowledge();
    rig.driver.write(0x100 + offsetof(Config, events_clear), 4, 2);
    rig.settle();
    CHECK(events() == event_display);
    rig.driver.write(0x100 + offsetof(Config, events_clear), 4, event_display);
    rig.settle();
    CHECK(events() == 0);
    CHECK(rig.driver.config<std::uint32_t>(offsetof(Config, events_clear)) == 0);
    rig.driver.write(0x100 + offsetof(Config, events_clear), 4, 0);
    rig.settle();
    CHECK(rig.driver.acknowledge() == 0);
    // The same size again is no change.
    REQUIRE(rig.device.resize(0, {.width = 1000, .height = 700}));
    rig.settle();
    CHECK(events() == 0);
}

TEST_CASE("gpu: parts of events_clear count where they are") {
    GpuRig rig;
    const auto events = [&] { return rig.driver.config<std::uint32_t>(offsetof(Config, events_read)); };
    REQUIRE(rig.device.resize(0, {.width = 1000, .height = 700}));
    REQUIRE(kit::eventually([&] { return events() == event_display; }));
    rig.driver.write(0x100 + offsetof(Config, events_clear) + 1, 1, event_display);
    rig.settle();
    CHECK(events() == event_display);
    rig.driver.write(0x100 + offsetof(Config, events_clear), 1, event_display);
    rig.settle();
    CHECK(events() == 0);
}

TEST_CASE("gpu: a screen takes any size that Linux takes, and no other") {
    GpuRig rig;
    for (const auto& size : {Size{}, Size{.width = 8193, .height = 32}, Size{.width = 31, .height = 32},
                             Size{.width = 32, .height = UINT32_MAX}}) {
        const auto resized = rig.device.resize(0, size);
        REQUIRE(!resized);
        CHECK(resized.error().code == ErrorCode::invalid_config);
    }
    CHECK(rig.device.resize(0, {.width = 8192, .height = 32}));
    const auto none = rig.device.resize(1, {.width = 1, .height = 1});
    REQUIRE(!none);
    CHECK(none.error().code == ErrorCode::no_such_device);
}

TEST_CASE("gpu: a display that is gone is not offered, and its events are a reset's, too") {
    GpuRig rig({.is_held = true});
    rig.with_screen([](HeldScreen& screen) { screen.change({.is_connected = false}); });
    CHECK(rig.driver.config<std::uint32_t>(offsetof(Config, events_read)) == event_display);
    CHECK(rig.command(Command::get_display_info).body<DisplayInfo>().pmodes[0].enabled == 0);
    CHECK(!rig.device.scanouts().front().is_connected);
    rig.restart();
    CHECK(rig.driver.config<std::uint32_t>(offsetof(Config, events_read)) == 0);
}

TEST_CASE("gpu: what is behind a device is said by its connectors") {
    GpuRig rig;
    CHECK(rig.device.backend_name() == "headless");
    CHECK(rig.device.type_name() == "gpu");
}

} // namespace gpu_display_test
