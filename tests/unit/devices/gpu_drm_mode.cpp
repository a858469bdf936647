// SPDX-License-Identifier: Apache-2.0
// What a screen on a graphics card decides, without a card.
#include "base/unique_fd.hpp"
#include "devices/gpu/backend_drm.hpp"
#include "devices/gpu/drm_card.hpp"
#include "devices/gpu/drm_connector.hpp"
#include "devices/gpu/drm_events.hpp"
#include "devices/gpu/drm_mode.hpp"
#include "devices/gpu/drm_output.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <drm.h>
#include <fcntl.h>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace gpu_drm_mode_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

/// A mode of so many pictures a second, with hardly any blanking.
drmModeModeInfo mode_of(std::uint16_t width, std::uint16_t height, std::uint32_t hertz,
                        std::uint32_t type = 0, std::uint32_t flags = 0) {
    drmModeModeInfo mode{};
    mode.hdisplay = width;
    mode.vdisplay = height;
    mode.htotal = static_cast<std::uint16_t>(width + 100);
    mode.vtotal = static_cast<std::uint16_t>(height + 20);
    mode.clock = (hertz * mode.htotal * mode.vtotal + 500) / 1000;
    mode.type = type;
    mode.flags = flags;
    return mode;
}

/// CEA-861's 1920 x 1080 at 60 Hz, as the kernel has it.
drmModeModeInfo full_hd() {
    auto mode = mode_of(1920, 1080, 60, DRM_MODE_TYPE_PREFERRED);
    mode.clock = 148500;
    mode.htotal = 2200;
    mode.vtotal = 1125;
    return mode;
}

Connector connector_of(std::string name, bool is_connected) {
    Connector connector;
    connector.name = std::move(name);
    connector.is_connected = is_connected;
    return connector;
}

UserOf users(std::map<std::string, std::string> all) {
    return [all = std::move(all)](const std::string& connector) -> std::optional<std::string> {
        const auto found = all.find(connector);
        return found != all.end() ? std::optional(found->second) : std::nullopt;
    };
}

template <std::size_t n>
std::string_view message(const char (&text)[n]) {
    return {text, n - 1};
}

} // namespace

TEST_CASE("a mode's refresh is told to the thousandth", "[gpu]") {
    CHECK(refresh_of(full_hd()) == 60000);
    auto slower = full_hd();
    slower.clock = 148352; // what films use: 59.94 Hz
    CHECK(refresh_of(slower) == 59940);
    auto interlaced = full_hd();
    interlaced.clock = 74250;
    interlaced.flags = DRM_MODE_FLAG_INTERLACE;
    CHECK(refresh_of(interlaced) == 60000);
    auto doubled = full_hd();
    doubled.flags = DRM_MODE_FLAG_DBLSCAN;
    CHECK(refresh_of(doubled) == 30000);
    CHECK(refresh_of(drmModeModeInfo{}) == 0);
}

TEST_CASE("a picture gets the mode of exactly its size", "[gpu]") {
    const std::vector modes{full_hd(), mode_of(1280, 800, 75), mode_of(1280, 800, 60),
                            mode_of(1024, 768, 60)};
    REQUIRE(find_mode(modes, {1280, 800}) == &modes[2]);
    CHECK(find_mode(modes, {1024, 768}) == &modes[3]);
    CHECK(find_mode(modes, {1024, 767}) == nullptr);
    CHECK(find_mode({}, {1024, 768}) == nullptr);
}

TEST_CASE("of several modes of a size the display's own is used, then the fastest up to 60 Hz", "[gpu]") {
    constexpr auto preferred = DRM_MODE_TYPE_PREFERRED;
    constexpr auto interlaced = DRM_MODE_FLAG_INTERLACE;
    const std::vector fast_own{mode_of(800, 600, 60), mode_of(800, 600, 75, preferred)};
    CHECK(find_mode(fast_own, {800, 600}) == &fast_own[1]);
    const std::vector slow{mode_of(800, 600, 24), mode_of(800, 600, 50), mode_of(800, 600, 30)};
    CHECK(find_mode(slow, {800, 600}) == &slow[1]);
    const std::vector fast{mode_of(800, 600, 144), mode_of(800, 600, 75), mode_of(800, 600, 120)};
    CHECK(find_mode(fast, {800, 600}) == &fast[1]);
    const std::vector halves{mode_of(800, 600, 60, preferred, interlaced), mode_of(800, 600, 24)};
    CHECK(find_mode(halves, {800, 600}) == &halves[1]);
}

TEST_CASE("a display that prefers no mode gets its first", "[gpu]") {
    const std::vector modes{mode_of(1280, 800, 60), mode_of(1024, 768, 60)};
    CHECK(preferred_mode(modes) == &modes[0]);
    const std::vector told{mode_of(1280, 800, 60), mode_of(1024, 768, 60, DRM_MODE_TYPE_PREFERRED)};
    CHECK(preferred_mode(told) == &told[1]);
    CHECK(preferred_mode({}) == nullptr);
}

TEST_CASE("a picture of another size is in the middle, or cut", "[gpu]") {
    CHECK(place({800, 600}, {1024, 768}) == Placement{.part = {0, 0, 800, 600}, .x = 112, .y = 84});
    CHECK(place({801, 600}, {1024, 601}) == Placement{.part = {0, 0, 801, 600}, .x = 111, .y = 0});
    CHECK(place({1920, 1080}, {1024, 768}) == Placement{.part = {0, 0, 1024, 768}, .x = 0, .y = 0});
    CHECK(place({2000, 100}, {1024, 768}) == Placement{.part = {0, 0, 1024, 100}, .x = 0, .y = 334});
}

TEST_CASE("a connector is found by its name, or is the first that is connected and free", "[gpu]") {
    const std::vector connectors{connector_of("DP-1", false), connector_of("HDMI-A-1", true),
                                 connector_of("HDMI-A-2", true)};
    const auto nobody = users({});
    CHECK(pick_connector("card0", connectors, "DP-1", nobody).value().name == "DP-1");
    CHECK(pick_connector("card0", connectors, "", nobody).value().name == "HDMI-A-1");
    CHECK(pick_connector("card0", connectors, "", users({{"HDMI-A-1", "zone a"}})).value().name ==
          "HDMI-A-2");
}

TEST_CASE("a connector that cannot be had is told with what there is", "[gpu]") {
    const std::vector connectors{connector_of("DP-1", false), connector_of("HDMI-A-1", true)};
    const auto missing = pick_connector("card0", connectors, "HDMI-A-3", users({}));
    REQUIRE(!missing);
    CHECK(missing.error().code == ErrorCode::not_found);
    CHECK(missing.error().message ==
          "card0: there is no connector HDMI-A-3; its connectors are DP-1, HDMI-A-1 (connected)");

    const auto taken = pick_connector("card0", connectors, "HDMI-A-1", users({{"HDMI-A-1", "zone linux2"}}));
    REQUIRE(!taken);
    CHECK(taken.error().code == ErrorCode::resource_busy);
    CHECK(taken.error().message.starts_with("card0: HDMI-A-1 belongs to zone linux2: "));
    // Nor does "any" take what another zone has.
    CHECK(pick_connector("card0", connectors, "", users({{"HDMI-A-1", "zone linux2"}})).error().code ==
          ErrorCode::resource_busy);

    const std::vector dark{connector_of("DP-1", false)};
    const auto unplugged = pick_connector("card0", dark, "", users({}));
    REQUIRE(!unplugged);
    CHECK(unplugged.error().message.starts_with(
        "card0: no display is connected; its connectors are DP-1: plug a display in"));
    CHECK(pick_connector("card1", {}, "", users({})).error().message.contains("its connectors are none"));
}

TEST_CASE("a connector keeps the CRTC that drives it, unless another zone has that", "[gpu]") {
    CHECK(pick_crtc(0b110, 0, 2) == 2);
    CHECK(pick_crtc(0b110, 0b100, 2) == 1);
    CHECK(pick_crtc(0b110, 0, std::nullopt) == 1);
    CHECK(pick_crtc(0b110, 0, 0) == 1); // one that cannot drive it
    CHECK(pick_crtc(0b110, 0b110, 1) == std::nullopt);
    CHECK(pick_crtc(0, 0, 0) == std::nullopt);
    CHECK(pick_crtc(0b1, 0, 40) == 0);
}

TEST_CASE("only the kernel's messages about the card count", "[gpu]") {
    const auto hotplug = message("change@/devices/platform/gpu/drm/card0\0ACTION=change\0"
                                 "DEVPATH=/devices/platform/gpu/drm/card0\0SUBSYSTEM=drm\0HOTPLUG=1\0"
                                 "CONNECTOR=33\0MAJOR=226\0MINOR=0\0DEVNAME=dri/card0\0DEVTYPE=drm_minor\0");
    CHECK(concerns_card(hotplug, "card0"));
    CHECK_FALSE(concerns_card(hotplug, "card1"));
    CHECK_FALSE(concerns_card(hotplug, "card"));
    CHECK_FALSE(concerns_card(message("change@/block/x\0SUBSYSTEM=block\0DEVNAME=dri/card0\0"), "card0"));
    CHECK_FALSE(concerns_card(message("SUBSYSTEM=drm"), "card0"));
    CHECK_FALSE(concerns_card({}, "card0"));
    // A name that begins alike is another card, with or without the last zero.
    CHECK_FALSE(concerns_card(message("x\0SUBSYSTEM=drm\0DEVNAME=dri/card01"), "card0"));
    CHECK(concerns_card(message("x\0SUBSYSTEM=drm\0DEVNAME=dri/card0"), "card0"));
}

TEST_CASE("nothing but a graphics card is opened, whatever a zone file names", "[gpu]") {
    for (const std::string card :
         {"/dev/null", "../null", "", ".", "card", "cardinal", "card99999", "/proc/self/fd/0"}) {
        INFO(card);
        const auto found = DrmCard::find(card);
        REQUIRE(!found);
        CHECK(found.error().code == ErrorCode::not_found);
        CHECK(found.error().message.starts_with("there is no graphics card " + card + "; /dev/dri has "));
    }
    const auto reactor = Reactor::start({.name = "gpu", .cpus = {}, .on_crash = {}}).value();
    CHECK(DrmScreen::open(*reactor, {.card = "card99999"}).error().code == ErrorCode::not_found);
}

TEST_CASE("of a card's events those of flips are counted", "[gpu]") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0);
    const UniqueFd reading(ends[0]);
    const UniqueFd writing(ends[1]);
    CHECK(take_flips(reading.get()) == 0);

    const auto event_of = [](std::uint32_t type) {
        drm_event_vblank event{};
        event.base = {.type = type, .length = sizeof event};
        return event;
    };
    const std::array events{event_of(DRM_EVENT_FLIP_COMPLETE), event_of(DRM_EVENT_VBLANK),
                            event_of(DRM_EVENT_FLIP_COMPLETE)};
    REQUIRE(::write(writing.get(), events.data(), sizeof events) == sizeof events);
    CHECK(take_flips(reading.get()) == 2);
    CHECK(take_flips(reading.get()) == 0);

    // A length that cannot be does not lead anywhere.
    for (const std::uint32_t length : {0U, 7U, 4096U}) {
        auto broken = events;
        broken[0].base.length = length;
        REQUIRE(::write(writing.get(), broken.data(), sizeof broken) == sizeof broken);
        CHECK(take_flips(reading.get()) == 1);
    }
}

} // namespace gpu_drm_mode_test
