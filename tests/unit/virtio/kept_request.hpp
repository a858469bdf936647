// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fixture.hpp"

#include <memory>

namespace hvisor::virtio {

/// A device with a request of queue 0 in flight until finish(), and a second
/// queue that works. Its thread is free meanwhile.
struct KeptRequest : Fixture {
    explicit KeptRequest(FeatureSet wanted = kit::split_features)
        : features(wanted),
          queue(kit::make_queue(features, ram, test_queue_size)),
          other(kit::make_queue(features, ram, test_queue_size)) {
        bring_up({queue.get(), other.get()}, features);
        device.keep_requests(0);
        kit::ChainBuilder(*queue).readable("slow").writable(4).add();
        driver.kick(0);
        REQUIRE(kit::eventually([&] { return device.requests().size() == 1; }));
    }
    KeptRequest(const KeptRequest&) = delete;
    KeptRequest& operator=(const KeptRequest&) = delete;
    KeptRequest(KeptRequest&&) = delete;
    KeptRequest& operator=(KeptRequest&&) = delete;
    ~KeptRequest() { finish(); }

    void finish() { device.finish_requests(); }

    /// A request of the second queue comes back.
    [[nodiscard]] bool other_works() {
        kit::ChainBuilder(*other).readable("quick").add();
        driver.kick(1);
        return kit::eventually([&] { return other->take_used().has_value(); });
    }

    FeatureSet features;
    std::unique_ptr<kit::DriverQueue> queue;
    std::unique_ptr<kit::DriverQueue> other;
};

} // namespace hvisor::virtio
