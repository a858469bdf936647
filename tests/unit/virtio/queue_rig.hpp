// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/packed_queue.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"
#include "virtio/queue.hpp"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <utility>
#include <vector>

namespace hvisor::virtio {

inline constexpr FeatureSet plain{FeatureBit::version_1};
inline constexpr FeatureSet event_idx{FeatureBit::version_1, FeatureBit::ring_event_idx};
inline constexpr FeatureSet packed{FeatureBit::ring_packed};
inline constexpr FeatureSet in_order{FeatureBit::in_order};

/// Both sides of one queue in one thread. The features name the ring.
struct QueueRig {
    explicit QueueRig(FeatureSet features = kit::split_features, std::uint16_t size = 16,
                      std::size_t ram_size = std::size_t{8} << 20)
        : ram(0x40000000, ram_size),
          memory(make_memory(ram)),
          driver(kit::make_queue(features, ram, size)),
          queue(*QueueLayout::create({.size = size,
                                      .descriptors = driver->descriptors(),
                                      .driver = driver->driver_area(),
                                      .device = driver->device_area()},
                                     size, features.has(FeatureBit::ring_packed), memory),
                memory, features, state) {}

    static guest::GuestMemory make_memory(const kit::Ram& ram) {
        std::vector<guest::Region> regions;
        regions.push_back(ram.region());
        return std::move(*guest::GuestMemory::create(std::move(regions)));
    }

    [[nodiscard]] kit::SplitQueue& split() const { return dynamic_cast<kit::SplitQueue&>(*driver); }
    [[nodiscard]] kit::PackedQueue& packed_driver() const { return dynamic_cast<kit::PackedQueue&>(*driver); }
    [[nodiscard]] kit::ChainBuilder chain() const { return kit::ChainBuilder(*driver); }
    /// A chain of `length` descriptors, of memory that is used again and again.
    std::uint16_t add(std::size_t length = 1) const { // NOLINT(modernize-use-nodiscard): most do not care
        return driver->add(std::vector<kit::Descriptor>(
            length, {.address = ram.address(), .length = 4, .flags = kit::desc_write, .next = 0}));
    }

    Chain pop() {
        auto popped = queue.pop();
        REQUIRE(popped);
        REQUIRE(*popped);
        return std::move(**popped);
    }
    [[nodiscard]] bool is_empty() {
        const auto popped = queue.pop();
        REQUIRE(popped);
        return !*popped;
    }
    [[nodiscard]] QueueFault fault() {
        const auto popped = queue.pop();
        REQUIRE_FALSE(popped);
        return popped.error();
    }

    /// Take a chain, give it back, and show the driver.
    void serve() {
        pop().complete();
        publish();
    }
    void publish() { queue.publish(Queue::Clock::now()); }

    kit::Ram ram;
    guest::GuestMemory memory;
    std::unique_ptr<kit::DriverQueue> driver;
    QueueState state;
    Queue queue;
};

} // namespace hvisor::virtio
