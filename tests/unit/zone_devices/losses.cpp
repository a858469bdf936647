// SPDX-License-Identifier: Apache-2.0
#include "zone_rig.hpp"

#include <catch2/generators/catch_generators.hpp>

namespace losses_test {

using namespace hvisor;
using namespace hvisor::zone;
using virtio::FeatureBit;
using virtio::FeatureSet;

namespace {

/// With and without EVENT_IDX.
FeatureSet features() {
    return GENERATE(FeatureSet{FeatureBit::version_1},
                    FeatureSet{FeatureBit::version_1, FeatureBit::ring_event_idx});
}

} // namespace

TEST_CASE("a healthy hypervisor: every request completes") {
    ZoneRig rig;
    const auto depth = GENERATE(1U, 16U);
    CHECK(Disk(rig, features()).run(1000, depth));
}

TEST_CASE("one injection in five lost: every request completes") {
    ZoneRig rig({.lose_injections = 5});
    Disk disk(rig, features());
    CHECK(disk.run(300, 16));
    // With one request at a time no later interrupt makes up for a lost one.
    CHECK(disk.run(50, 1));
    CHECK(rig.hypervisor.counts().lost_injections > 0);
    CHECK(rig.devices->inspect().at(0).interrupts_repeated > 0);
}

TEST_CASE("injections lost while the handler runs: every request completes") {
    ZoneRig rig({.lose_active = true});
    CHECK(Disk(rig, features()).run(1000, 16));
}

TEST_CASE("one wake-up in two lost: every request completes") {
    ZoneRig rig({.lose_wakeups = 2});
    CHECK(Disk(rig, features()).run(100, 4));
}

TEST_CASE("everything lost at once, and the zone still works") {
    ZoneRig rig({.lose_injections = 3, .lose_wakeups = 3, .lose_active = true});
    CHECK(Disk(rig, features()).run(100, 8));
}

} // namespace losses_test
