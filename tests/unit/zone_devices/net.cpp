// SPDX-License-Identifier: Apache-2.0
#include "unit/devices/net_namespace.hpp"
#include "zone_rig.hpp"

namespace net_test {

using namespace hvisor;
using namespace hvisor::zone;
using devices::net::Namespace;

namespace {

constexpr devices::net::Mac mac{0x02, 0, 0, 0, 1, 1};

Result<std::shared_ptr<ZoneDevices>> create(ZoneRig& rig, const std::string& tap, const std::string& bridge) {
    std::vector<DeviceSettings> settings;
    settings.push_back(
        {.address = 0xa003600,
         .length = window,
         .interrupt = 75,
         .model = NetSettings{.tap = {.name = tap, .bridge = bridge, .mtu = 0, .pairs = 1, .guest_mac = mac},
                              .options = {.mac = mac, .transmit = {}, .receive = {}},
                              .location = "v.json:5:5: /zones/0/devices/0"}});
    return ZoneDevices::create(2, "other", rig.make_memory(), std::move(settings), rig.loop, rig.store);
}

} // namespace

TEST_CASE("a zone's tap is there from its start until it stops") {
    const Namespace network;
    ZoneRig rig;
    network.add_bridge("br0");
    for (int round = 0; round < 2; ++round) {
        const auto devices = create(rig, "tap0", "br0");
        INFO((devices ? "" : devices.error().message));
        REQUIRE(devices);
        const auto state = (*devices)->inspect().at(0);
        CHECK(state.id == "net-a003600");
        CHECK(state.type == "net");
        CHECK(state.backend == "tap0");
        CHECK(Namespace::link("tap0").master == Namespace::link("br0").index);
        (*devices)->quiesce();
        CHECK_FALSE(Namespace::exists("tap0"));
        (*devices)->quiesce();
        CHECK((*devices)->inspect().at(0).backend == "tap0");
    }
}

TEST_CASE("what is wrong with a tap is said with device, file and key") {
    const Namespace network;
    ZoneRig rig;
    const auto nowhere = create(rig, "tap0", "br9");
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().code == ErrorCode::not_found);
    CHECK(nowhere.error().message.starts_with(
        "net at 0xa003600: v.json:5:5: /zones/0/devices/0/bridge: there is no bridge br9"));
    const auto first = create(rig, "tap0", "");
    REQUIRE(first);
    const auto second = create(rig, "tap0", "");
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::resource_busy);
    CHECK(second.error().message.contains("/tap: tap0 is in use"));
}

} // namespace net_test
