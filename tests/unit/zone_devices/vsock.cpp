// SPDX-License-Identifier: Apache-2.0
#include "zone_rig.hpp"

#include <filesystem>

namespace vsock_test {

using namespace hvisor;
using namespace hvisor::zone;

TEST_CASE("a zone with sockets needs the root zone's module, and is told its name") {
    if (std::filesystem::exists("/dev/vhost-vsock")) {
        SKIP("this machine has /dev/vhost-vsock");
    }
    ZoneRig rig;
    std::vector<DeviceSettings> settings;
    settings.push_back({.address = 0xa003600,
                        .length = window,
                        .interrupt = 75,
                        .model = VsockSettings{.cid = 3, .location = "v.json:5:5: /zones/0/devices/0"}});
    const auto devices =
        ZoneDevices::create(2, "other", rig.make_memory(), std::move(settings), rig.loop, rig.store);
    REQUIRE_FALSE(devices);
    CHECK(devices.error().code == ErrorCode::not_found);
    CHECK(devices.error().message ==
          "vsock at 0xa003600: v.json:5:5: /zones/0/devices/0: /dev/vhost-vsock is not there; load the root "
          "zone's module for sockets with `modprobe vhost_vsock`");
}

} // namespace vsock_test
