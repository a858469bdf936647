// SPDX-License-Identifier: Apache-2.0
#include "service/stalls.hpp"

#include "kit/captured_log.hpp"

#include <catch2/catch_test_macros.hpp>
#include <format>

namespace stalls_test {

using namespace hvisor;

namespace {

zone::ZoneState zone_with(const std::string& name, std::vector<bool> stalled) {
    zone::ZoneState state;
    state.name = name;
    for (const bool is_stalled : stalled) {
        zone::DeviceState device;
        device.id = std::format("block-{}", state.devices.size());
        device.backend = "/srv/disk.img";
        device.is_stalled = is_stalled;
        state.devices.push_back(device);
    }
    return state;
}

} // namespace

TEST_CASE("a back end that stalls is told once, and once when it answers again") {
    const kit::CapturedLog log;
    service::Stalls stalls;
    stalls.update({zone_with("linux2", {false, false})});
    CHECK(log.lines() == 0);
    CHECK(stalls.summary().empty());
    for (int i = 0; i < 3; ++i) {
        stalls.update({zone_with("linux2", {false, true}), zone_with("rtos", {false})});
    }
    CHECK(log.lines() == 1);
    CHECK(stalls.summary() == "; no answer: block-1 of linux2");
    stalls.update({zone_with("linux2", {true, true}), zone_with("rtos", {true})});
    CHECK(log.lines() == 3);
    CHECK(stalls.summary() == "; no answer: block-0 of linux2, block-1 of linux2, block-0 of rtos");
    stalls.update({zone_with("linux2", {true, true, true}), zone_with("rtos", {true})});
    CHECK(stalls.summary().ends_with("block-2 of linux2 and 1 more"));
    stalls.update({zone_with("rtos", {false})});
    CHECK(log.lines() == 4 + 4);
    CHECK(stalls.summary().empty());
}

} // namespace stalls_test
