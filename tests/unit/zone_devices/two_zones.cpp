// SPDX-License-Identifier: Apache-2.0
#include "zone_rig.hpp"

namespace two_zones_test {

using namespace hvisor;
using namespace hvisor::zone;

namespace {

constexpr virtio::FeatureSet plain{virtio::FeatureBit::version_1};
constexpr Place beside{.id = 2, .cpus = 0x30, .ram = 0x60000000};
constexpr unsigned depth = 4;

/// Until nothing is in flight; false when an interrupt did not come.
bool finish(Disk& disk) {
    while (disk.in_flight() != 0) {
        if (!disk.receive()) {
            return false;
        }
    }
    return true;
}

} // namespace

TEST_CASE("two zones work at once at the same windows and with the same interrupts") {
    // Virtual windows and interrupts of zones may repeat, as those of loongarch64 boards do.
    Machine machine;
    ZoneSide left(machine);
    ZoneSide right(machine, beside);
    Disk left_disk(left, plain);
    Disk right_disk(right, plain);
    for (unsigned round = 0; round < 50; ++round) {
        left_disk.send(depth, depth);
        right_disk.send(depth, depth);
        REQUIRE(finish(left_disk));
        REQUIRE(finish(right_disk));
    }
    CHECK(left.devices->inspect().at(0).queues.at(0).metrics.requests.get() == 50 * depth);
    CHECK(right.devices->inspect().at(0).queues.at(0).metrics.requests.get() == 50 * depth);
}

TEST_CASE("a zone goes on working when the one beside it ends in the middle of its work") {
    Machine machine;
    ZoneSide left(machine);
    Disk left_disk(left, plain);
    {
        ZoneSide right(machine, beside);
        Disk right_disk(right, plain);
        right_disk.send(depth, depth);
        left_disk.send(depth, depth);
    }
    CHECK(finish(left_disk));
    CHECK(left_disk.run(20, depth));
}

} // namespace two_zones_test
