// SPDX-License-Identifier: Apache-2.0
#include "queue_rig.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <numeric>
#include <random>

using namespace hvisor;
using namespace hvisor::virtio;

namespace {

const auto any_ring = [] {
    return GENERATE(kit::split_features | in_order, kit::packed_features | in_order);
};

} // namespace

TEST_CASE("IN_ORDER: chains that end out of order go back in order") {
    // virtio 1.2, 2.7.9 and 2.8.9: used in the order they were made available.
    QueueRig rig(any_ring());
    std::vector<std::uint16_t> heads;
    std::vector<Chain> chains;
    for (std::size_t i = 0; i < 4; ++i) {
        heads.push_back(rig.add(1 + i));
        chains.push_back(rig.pop());
        chains.back().set_written(i);
    }
    chains[3].complete();
    chains[1].complete();
    rig.publish();
    CHECK_FALSE(rig.driver->has_used());
    CHECK_FALSE(rig.queue.take_interrupt_request());
    chains[0].complete();
    rig.publish();
    CHECK(rig.queue.take_interrupt_request());
    for (const auto n : {0U, 1U}) {
        const auto used = rig.driver->take_used();
        REQUIRE(used);
        CHECK(used->head == heads[n]);
        CHECK(used->length == n);
    }
    CHECK_FALSE(rig.driver->has_used());
    chains[2].complete();
    rig.publish();
    CHECK(rig.driver->take_used()->head == heads[2]);
    CHECK(rig.driver->take_used()->head == heads[3]);
    CHECK(rig.driver->free_descriptors() == 16);
}

TEST_CASE("IN_ORDER: a chain that is put back does not hold up those before it") {
    QueueRig rig(any_ring());
    const auto first = rig.add();
    const auto second = rig.add(2);
    auto chain = rig.pop();
    rig.pop().put_back();
    chain.complete();
    rig.publish();
    CHECK(rig.driver->take_used()->head == first);
    CHECK_FALSE(rig.driver->has_used());
    auto again = rig.pop();
    CHECK(again.id() == second);
    again.complete();
    rig.publish();
    CHECK(rig.driver->take_used()->head == second);
}

TEST_CASE("IN_ORDER: any order of ending, thousands of times") {
    QueueRig rig(any_ring(), 8);
    std::mt19937 random(1); // NOLINT(bugprone-random-generator-seed): the same every time
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::uint16_t> heads;
        std::vector<Chain> chains;
        while (rig.driver->free_descriptors() >= 3) {
            heads.push_back(rig.add(1 + random() % 3));
            chains.push_back(rig.pop());
        }
        std::ranges::shuffle(chains, random);
        for (auto& chain : chains) {
            chain.complete();
            if (random() % 2 == 0) {
                rig.publish();
            }
        }
        rig.publish();
        for (const auto head : heads) {
            const auto used = rig.driver->take_used();
            REQUIRE(used);
            REQUIRE(used->head == head);
        }
        REQUIRE(rig.queue.in_flight() == 0);
    }
}

TEST_CASE("IN_ORDER: a driver that makes more available than the queue holds is at fault") {
    QueueRig rig(plain | in_order, 4);
    std::vector<Chain> chains;
    for (int i = 0; i < 4; ++i) {
        rig.add();
        chains.push_back(rig.pop());
    }
    rig.split().publish(0);
    CHECK(rig.fault() == QueueFault::in_flight);
}
