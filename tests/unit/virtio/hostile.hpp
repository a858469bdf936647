// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fixture.hpp"

#include <string>
#include <vector>

namespace hvisor::virtio {

/// A device whose driver just made something available. Whatever it is, the
/// device reports NEEDS_RESET, and works again after a reset.
template <class DriverQueue>
struct Hostile : Fixture {
    explicit Hostile(FeatureSet wanted) : features(wanted) { bring_up(queue, features); }

    void expect_fault() {
        driver.kick(0);
        REQUIRE(kit::eventually([&] { return needs_reset(); }));
        // virtio 1.2, 2.1.2: the driver is told.
        CHECK(kit::eventually(
            [&] { return (driver.get(Register::interrupt_status) & interrupt_config_change) != 0; }));
        CHECK(device.requests().empty());

        queue.reset();
        bring_up(queue, features);
        CHECK_FALSE(needs_reset());
        kit::ChainBuilder(queue).readable("again").add();
        driver.kick(0);
        CHECK(kit::eventually([&] { return device.requests() == std::vector<std::string>{"again"}; }));
    }

    FeatureSet features;
    DriverQueue queue{ram, test_queue_size};
};

} // namespace hvisor::virtio
