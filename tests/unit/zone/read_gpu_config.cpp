// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_claims.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <format>
#include <string>

namespace read_gpu_config_test {

using namespace hvisor::zone;
using test::changed;
using test::good_one_file;
using test::read_virtio;
using test::read_zone;
using test::refusal;
using test::virtio_refusal;

namespace {

/// As it stands in upstream's documentation, but enabled.
constexpr std::string_view upstreams = R"({ "zones": [ { "id": 1, "memory_region": [], "devices": [
{ "type": "gpu", "addr": "0xa003400", "len": "0x200", "irq": 74, "width": 1280, "height": 800, "status": "enable" } ] } ] })";

/// A zone in one file whose first device is a GPU with these keys.
std::string one_file(std::string_view keys) {
    return changed(good_one_file, R"("console",)",
                   std::format(R"("gpu"{}{},)", keys.empty() ? "" : ", ", keys));
}

GpuConfig read(std::string_view keys) {
    const ZoneFile zone = read_zone(one_file(keys));
    REQUIRE(zone.devices.size() == 2);
    CHECK(zone.devices[0].type == DeviceType::gpu);
    return zone.devices[0].gpu;
}

struct Wrong {
    const char* keys;
    const char* message; ///< from the key's pointer below the device on
};

} // namespace

TEST_CASE("upstream's GPU device shows what the first display prefers") {
    const VirtioConfig config = read_virtio(std::string(upstreams));
    const VirtioDevice& device = config.zones.at(0).devices.at(0);
    CHECK(device.type == DeviceType::gpu);
    CHECK(device.interrupt == 74);
    CHECK(device.gpu.backend == GpuBackend::drm);
    CHECK(device.gpu.card.empty());
    REQUIRE(device.gpu.displays.size() == 1);
    CHECK(device.gpu.displays[0].connector.empty());
    CHECK(device.gpu.displays[0].width == 0);
    CHECK(device.gpu.displays[0].height == 0);
    CHECK(device.gpu.memory == 256ULL << 20);
    CHECK(device.gpu.resources == 4096);
    CHECK_FALSE(device.gpu.is_3d);
}

TEST_CASE("upstream requires a width and a height, and looks at neither") {
    CHECK(virtio_refusal(changed(upstreams, R"("width": 1280, )", ""))
              .ends_with("/width: this key is missing; expected a number of pixels"));
    CHECK(virtio_refusal(changed(upstreams, R"("height": 800, )", ""))
              .ends_with("/height: this key is missing; expected a number of pixels"));
    CHECK(read_virtio(changed(upstreams, "1280", "1")).zones[0].devices.size() == 1);
    CHECK(virtio_refusal(changed(upstreams, "1280", R"("wide")")).contains("/width: "));
}

TEST_CASE("upstream's form takes our keys of a GPU device, too") {
    const auto headless = read_virtio(changed(upstreams, R"("gpu",)", R"("gpu", "backend": "headless",)"))
                              .zones[0]
                              .devices[0]
                              .gpu;
    CHECK(headless.backend == GpuBackend::headless);
    CHECK(headless.displays.at(0).width == 1280);
    CHECK(headless.displays.at(0).height == 800);
    const auto several = read_virtio(changed(upstreams, R"("width": 1280, "height": 800)",
                                             R"("displays": [ { "connector": "DP-1" }, {} ])"))
                             .zones[0]
                             .devices[0]
                             .gpu;
    CHECK(several.displays.size() == 2);
    CHECK(several.displays[0].connector == "DP-1");
}

TEST_CASE("a GPU device of a one-file zone needs no more than what all have") {
    const GpuConfig gpu = read("");
    CHECK(gpu.backend == GpuBackend::drm);
    REQUIRE(gpu.displays.size() == 1);
    CHECK(gpu.displays[0].width == 0);
}

TEST_CASE("a display is chosen by its card, connector and mode") {
    const GpuConfig gpu = read(R"("card": "card2", "connector": "HDMI-A-1", "width": 1920, "height": "0x438",
                                  "memory": 1048576, "resources": 1000000)");
    CHECK(gpu.card == "/dev/dri/card2");
    REQUIRE(gpu.displays.size() == 1);
    CHECK(gpu.displays[0].connector == "HDMI-A-1");
    CHECK(gpu.displays[0].width == 1920);
    CHECK(gpu.displays[0].height == 1080);
    CHECK(gpu.memory == 1 << 20);
    CHECK(gpu.resources == 1000000);
    CHECK(read(R"("card": "/dev/dri/card0")").card == "/dev/dri/card0");
    CHECK(read(R"("card": "/dev/dri/by-path/pci-0000:00:02.0-card")").card ==
          "/dev/dri/by-path/pci-0000:00:02.0-card");
}

TEST_CASE("a headless screen has a size and a refresh rate in any case") {
    const DisplayConfig usual = read(R"("backend": "headless")").displays.at(0);
    CHECK(usual.width == 1280);
    CHECK(usual.height == 800);
    CHECK(usual.refresh == 60);
    const GpuConfig several = read(R"("backend": "headless", "displays": [
        { "width": 32, "height": 8192, "refresh": 1 }, { "refresh": 240 } ])");
    REQUIRE(several.displays.size() == 2);
    CHECK(several.displays[0].height == 8192);
    CHECK(several.displays[0].refresh == 1);
    CHECK(several.displays[0].pointer == "/devices/0/displays/0");
    CHECK(several.displays[1].width == 1280);
    CHECK(several.displays[1].refresh == 240);
}

TEST_CASE("what is wrong with a GPU device is said in one sentence") {
    const Wrong cases[] = {
        {R"("backend": "sdl")",
         R"(/backend: "sdl" is no back end of a screen; expected "drm" or "headless")"},
        {R"("backend": 1)", R"(/backend: expected "drm" or "headless", found a number)"},
        {R"("backend": "headless", "connector": "DP-1")",
         R"(/connector: a headless screen has no connector; expected the backend "drm" with this key)"},
        {R"("backend": "headless", "card": "card0")",
         R"(/card: a headless screen needs no graphics card; expected the backend "drm" with this key)"},
        {R"("refresh": 60)",
         R"(/refresh: the display decides how often it shows a picture; expected the backend "headless" with )"
         "this key"},
        {R"("width": 640)", "/width: this key is of no use alone; expected height beside it"},
        {R"("displays": [ { "height": 480 } ])",
         "/displays/0/height: this key is of no use alone; expected width beside it"},
        {R"("width": 31, "height": 480)", "/width: 31 is too small; expected at least 32"},
        {R"("width": 640, "height": 8193)", "/height: 8193 is too large; expected at most 8192"},
        {R"("backend": "headless", "refresh": 0)", "/refresh: 0 is too small; expected at least 1"},
        {R"("backend": "headless", "refresh": 241)", "/refresh: 241 is too large; expected at most 240"},
        {R"("displays": [ {} ], "connector": "DP-1")",
         "/connector: there are both connector and displays; expected connector in each of displays, or no "
         "displays"},
        {R"("displays": [])", "/displays: there is none; expected 1 to 16 displays"},
        {R"("displays": {})", "/displays: expected an array of displays, found an object"},
        {R"("displays": [ 1 ])", "/displays/0: expected an object with connector, width, height and vnc, all "
                                 "of which may be missing, "
                                 "found a number"},
        {R"("displays": [ { "connector": "DP-1" }, { "connector": "DP-1" } ])",
         "/displays/1/connector: DP-1 is the connector of another display of this device"},
        {R"("connector": "")", R"(/connector: "" cannot name a connector; expected one such as "HDMI-A-1")"},
        {R"("connector": "../x")",
         R"(/connector: "../x" cannot name a connector; expected one such as "HDMI-A-1")"},
        {R"("card": "/dev/dri/renderD128")",
         R"(/card: "/dev/dri/renderD128" is no graphics card; expected one such as "card0", "/dev/dri/card0" )"
         R"(or "/dev/dri/by-path/platform-gpu-card")"},
        {R"("memory": 1048575)", "/memory: 1048575 is too small; expected at least 1048576"},
        {R"("memory": "0x1000000001")", "/memory: 0x1000000001 is too large; expected at most 68719476736"},
        {R"("resources": 0)", "/resources: 0 is too small; expected at least 1"},
        {R"("renderer": "venus")", R"(/renderer: "venus" is nothing that draws; expected "virgl")"},
    };
    for (const Wrong& wrong : cases) {
        const std::string said = refusal(one_file(wrong.keys));
        INFO(wrong.keys);
        CHECK(said.substr(said.find("/devices/0") + 10) == wrong.message);
        CHECK_FALSE(said.contains('\n'));
    }
}

TEST_CASE("nothing outside the folder of the graphics cards is opened for a zone file") {
    for (const char* card :
         {"/dev/sda", "card", "card0/../../sda", "cardX", "/dev/dri/../sda",
          "/dev/dri/by-path/../../sda-card", "by-path/a-card", "/dev/dri/by-path/a-render", "card0000"}) {
        INFO(card);
        CHECK(refusal(one_file(std::format(R"("card": "{}")", card))).contains("is no graphics card"));
    }
}

TEST_CASE("a zone has one GPU device at most") {
    const std::string two =
        changed(good_one_file, R"("devices": [)",
                R"("devices": [ { "type": "gpu", "addr": "0xa003000", "len": "0x200", "irq": 76 },
                        { "type": "gpu", "addr": "0xa003200", "len": "0x200", "irq": 76 },)");
    CHECK(refusal(two).ends_with("/devices: there are several gpu devices; expected at most one a zone"));
}

TEST_CASE("connectors that are named are claimed, and no others") {
    const ZoneFile zone = read_zone(one_file(R"("displays": [ { "connector": "DP-1" }, {} ])"));
    CHECK(claims_of(zone.config, zone.devices, "").connectors == std::vector<std::string>{"DP-1"});
}

} // namespace read_gpu_config_test
