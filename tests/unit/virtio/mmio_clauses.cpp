// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"
#include "kept_request.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;
using enum Register;

// What virtio 1.2 demands of a device on this transport, one test a sentence.
// The names give the clause.

TEST_CASE("4.2.2.1: MagicValue is 0x74726976") {
    const Fixture rig;
    CHECK(rig.driver.get(magic_value) == 0x74726976);
}

TEST_CASE("4.2.2.1: Version is 2") {
    const Fixture rig;
    CHECK(rig.driver.get(version) == 2);
}

TEST_CASE("4.2.2.1: an event is in InterruptStatus from when it takes place until it is acknowledged") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    CHECK(rig.driver.get(interrupt_status) == 0);
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    REQUIRE(rig.port.wait_for_injections(1));
    // Looking at it does not clear it, nor does an ACK of something else.
    CHECK(rig.driver.get(interrupt_status) == interrupt_used_buffer);
    rig.driver.set(interrupt_ack, ~interrupt_used_buffer);
    CHECK(rig.driver.get(interrupt_status) == interrupt_used_buffer);
    // The driver has seen the entry, so nothing is left to repair.
    REQUIRE(queue.take_used());
    rig.driver.set(interrupt_ack, interrupt_used_buffer);
    CHECK(rig.driver.get(interrupt_status) == 0);
}

TEST_CASE("4.2.2.1: bits of events that did not take place are 0") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    REQUIRE(rig.port.wait_for_injections(1));
    CHECK(rig.driver.get(interrupt_status) == interrupt_used_buffer);
    rig.driver.acknowledge();
    rig.device.change_config(0, "C");
    CHECK(rig.driver.get(interrupt_status) == interrupt_config_change);
}

TEST_CASE("4.2.2.1: reset clears InterruptStatus and every QueueReady") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    const kit::SplitQueue other(rig.ram, test_queue_size);
    rig.bring_up({&queue, &other});
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    rig.device.change_config(0, "C");
    REQUIRE(kit::eventually([&] {
        return rig.driver.get(interrupt_status) == (interrupt_used_buffer | interrupt_config_change);
    }));
    rig.driver.reset();
    CHECK(rig.driver.get(interrupt_status) == 0);
    for (const auto index : {0U, 1U}) {
        rig.driver.set(queue_sel, index);
        CHECK(rig.driver.get(queue_ready) == 0);
    }
    // Nothing of the old driver comes later.
    const auto injected = rig.port.injections();
    rig.settle();
    CHECK(rig.driver.get(interrupt_status) == 0);
    CHECK(rig.port.injections() == injected);
}

TEST_CASE("4.2.2.1: reset clears QueueReady of a queue that was set up before DRIVER_OK") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    REQUIRE(rig.driver.negotiate(kit::split_features));
    REQUIRE(rig.driver.set_up_queue(1, queue));
    rig.driver.reset();
    rig.driver.set(queue_sel, 1);
    CHECK(rig.driver.get(queue_ready) == 0);
}

TEST_CASE("4.2.2.1: ConfigGeneration differs when a driver may have seen half of a change") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    const auto before = rig.driver.get(config_generation);
    CHECK(rig.driver.get(config_generation) == before);
    rig.device.change_config(0, "CONFIG");
    CHECK(rig.driver.get(config_generation) != before);
    CHECK(rig.driver.config<std::uint32_t>(0) == ('C' | 'O' << 8 | 'N' << 16 | 'F' << 24));
}

TEST_CASE("4.2.2.1: a queue whose QueueReady is 0 is not touched") {
    Fixture rig;
    kit::SplitQueue first(rig.ram, test_queue_size);
    kit::SplitQueue second(rig.ram, test_queue_size);
    REQUIRE(rig.driver.negotiate(kit::split_features));
    REQUIRE(rig.driver.set_up_queue(0, first));
    // All registers of the second but the last.
    rig.driver.write_queue(1, test_queue_size, second.descriptors(), second.avail(), second.used());
    rig.driver.start();
    kit::ChainBuilder(first).readable("x").add();
    kit::ChainBuilder(second).readable("y").add();
    const auto untouched = rig.ram.read(second.used(), 6 + 8 * test_queue_size);
    rig.driver.kick(1);
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] { return first.has_used(); }));
    rig.settle();
    CHECK(rig.ram.read(second.used(), untouched.size()) == untouched);
    CHECK(rig.device.requests() == std::vector<std::string>{"x"});
}

TEST_CASE("4.2.2.1: a queue whose QueueReady was set to 0 is not touched any more") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    rig.driver.set(queue_sel, 0);
    rig.driver.set(queue_ready, 0);
    REQUIRE(rig.driver.get(queue_ready) == 0);
    kit::ChainBuilder(queue).readable("late").add();
    const auto untouched = rig.ram.read(queue.used(), 6 + 8 * test_queue_size);
    rig.driver.kick(0);
    rig.settle();
    CHECK(rig.ram.read(queue.used(), untouched.size()) == untouched);
    CHECK(rig.device.requests().empty());
}

TEST_CASE("4.2.2.1: with RING_RESET, QueueReset is 0 on reset") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue, {FeatureBit::version_1, FeatureBit::ring_reset});
    rig.driver.set(queue_sel, 0);
    rig.driver.set(queue_reset, 1);
    rig.driver.reset();
    rig.driver.set(queue_sel, 0);
    CHECK(rig.driver.get(queue_reset) == 0);
}

TEST_CASE("4.2.2.1: with RING_RESET, QueueReset is 0 after QueueReady") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue, {FeatureBit::version_1, FeatureBit::ring_reset});
    rig.driver.set(queue_sel, 0);
    CHECK(rig.driver.get(queue_reset) == 0);
    rig.driver.set(queue_reset, 1);
    REQUIRE(rig.driver.set_up_queue(0, queue));
    CHECK(rig.driver.get(queue_reset) == 0);
}

TEST_CASE("4.2.2.1: QueueReset resets the queue, is 1 as long as that goes on, then QueueReset and "
          "QueueReady are 0") {
    KeptRequest rig(FeatureSet{FeatureBit::version_1, FeatureBit::ring_reset} |
                    GENERATE(FeatureSet{}, FeatureSet{FeatureBit::ring_packed}));
    rig.driver.set(queue_sel, 0);
    CHECK_FALSE(rig.start_access(0x0c0, 4, true, 1).has_value());
    CHECK(rig.driver.get(queue_reset) == 1);
    rig.finish();
    REQUIRE(rig.port.wait_for_answers(1));
    CHECK(rig.driver.get(queue_reset) == 0);
    CHECK(rig.driver.get(queue_ready) == 0);
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("4.2.2: QueueNumMax of a queue that is not there is 0, QueueNotify of it does nothing") {
    const Fixture rig;
    rig.driver.set(queue_sel, 2);
    CHECK(rig.driver.get(queue_num_max) == 0);
    CHECK(rig.driver.get(queue_reset) == 0);
    rig.driver.set(queue_reset, 1);
    CHECK(rig.driver.get(queue_reset) == 0);
}

TEST_CASE("4.2.2: a shared memory region that is not there has the length and base of all ones") {
    const Fixture rig;
    rig.driver.set(shm_sel, GENERATE(0U, 1U, 0xffffffffU));
    for (const auto which : {shm_len_low, shm_len_high, shm_base_low, shm_base_high}) {
        CHECK(rig.driver.get(which) == 0xffffffff);
    }
}

TEST_CASE("4.2.2: the configuration space takes accesses of 8, 16 and 32 bits") {
    Fixture rig;
    CHECK(rig.driver.config<std::uint8_t>(1) == 'o');
    CHECK(rig.driver.config<std::uint16_t>(2) == ('n' | 'f' << 8));
    CHECK(rig.driver.config<std::uint32_t>(4) == ('i' | 'g' << 8 | 'u' << 16 | 'r' << 24));
}

TEST_CASE("4.2.3.4: one interrupt is asserted for both kinds of event") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    rig.device.change_config(0, "C");
    CHECK(rig.port.wait_for_injections(1));
    // Both happened: each is acknowledged on its own.
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    REQUIRE(kit::eventually([&] {
        return rig.driver.get(interrupt_status) == (interrupt_used_buffer | interrupt_config_change);
    }));
    rig.driver.set(interrupt_ack, interrupt_config_change);
    CHECK(rig.driver.get(interrupt_status) == interrupt_used_buffer);
    REQUIRE(queue.take_used());
    rig.driver.set(interrupt_ack, interrupt_used_buffer);
    CHECK(rig.driver.get(interrupt_status) == 0);
}

TEST_CASE("2.1.2: a device that needs a reset says so to a driver that said DRIVER_OK") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    queue.publish(0xffff);
    rig.driver.kick(0);
    REQUIRE(rig.port.wait_for_injections(1));
    CHECK((rig.driver.get(Register::status) & status::needs_reset) != 0);
    CHECK((rig.driver.get(interrupt_status) & interrupt_config_change) != 0);
    CHECK(rig.device.reset_reason().starts_with("queue 0: "));
    rig.driver.set(Register::status, 0);
    REQUIRE(kit::eventually([&] { return rig.driver.get(Register::status) == 0; }));
    CHECK(rig.device.reset_reason().empty());
}

TEST_CASE("2.1.2: before DRIVER_OK no buffer is taken and nothing is told") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    REQUIRE(rig.driver.negotiate(kit::split_features));
    REQUIRE(rig.driver.set_up_queue(0, queue));
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    rig.device.change_config(0, "C");
    rig.device.require_reset("on purpose");
    rig.settle();
    CHECK(rig.device.requests().empty());
    CHECK(rig.port.injections() == 0);
}

TEST_CASE("2.2.2: a device accepts every subset of what it offers that it can work with") {
    const Fixture rig;
    const auto offered = rig.driver.offered();
    for (std::uint64_t taken = 0; taken < 64; ++taken) {
        FeatureSet features{FeatureBit::version_1};
        std::uint64_t rest = taken;
        for (unsigned bit = 0; bit < 64; ++bit) {
            const FeatureSet one{FeatureBit{static_cast<std::uint8_t>(bit)}};
            if (one.is_subset_of(offered) && one != FeatureSet{FeatureBit::version_1}) {
                features = (rest & 1) != 0 ? features | one : features;
                rest >>= 1;
            }
        }
        REQUIRE(rig.driver.negotiate(features));
    }
}

TEST_CASE("2.4.1: after a reset the status is 0, and every register is as it began") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    rig.driver.reset();
    CHECK(rig.driver.get(Register::status) == 0);
    for (const auto which : {queue_ready, queue_reset, interrupt_status}) {
        CHECK(rig.driver.get(which) == 0);
    }
    CHECK(rig.transport.queue_size(0) == test_queue_size);
    // The selectors too: this shows the first word.
    const auto shown = rig.driver.get(device_features);
    CHECK(shown == rig.driver.offered().word(0));
}
