// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

#include <catch2/generators/catch_generators.hpp>

using namespace hvisor;
using namespace hvisor::virtio;
using enum Register;

TEST_CASE("the identifying registers") {
    const Fixture rig;
    CHECK(rig.driver.get(magic_value) == 0x74726976);
    CHECK(rig.driver.get(version) == 2);
    CHECK(rig.driver.get(device_id) == test_device_id);
    CHECK(rig.driver.get(vendor_id) == 0x48564953);
    CHECK(rig.driver.get(config_generation) == 0);
    CHECK(rig.driver.get(Register::status) == 0);
}

TEST_CASE("every register name is known") {
    CHECK(register_name(0x044) == "QueueReady");
    CHECK(register_name(0x108) == "Config+0x8");
    CHECK(register_name(0x028) == "0x28");
    const Fixture rig;
    CHECK(rig.transport.last_register().empty());
    static_cast<void>(rig.driver.get(queue_num_max));
    CHECK(rig.transport.last_register() == "QueueNumMax");
    CHECK(rig.transport.accesses() == 1);
}

TEST_CASE("registers take aligned accesses of 32 bits only") {
    const Fixture rig;
    const auto size = GENERATE(1U, 2U, 8U);
    CHECK(rig.driver.read(0x000, size) == 0);
    rig.driver.write(0x070, size, 1);
    CHECK(rig.driver.get(Register::status) == 0);
    CHECK(rig.driver.read(0x002, 4) == 0);
}

TEST_CASE("write-only and absent registers read 0, writes to read-only ones do nothing") {
    const Fixture rig;
    for (const auto offset :
         {0x00cU, 0x010U, 0x014U, 0x024U, 0x028U, 0x030U, 0x03cU, 0x040U, 0x050U, 0x064U, 0x0c0U}) {
        if (offset != 0x00c && offset != 0x010) {
            CHECK(rig.driver.read(offset, 4) == 0);
        }
        rig.driver.write(0x000, 4, 0xffffffff);
        rig.driver.write(0x0fc, 4, 0xffffffff);
    }
    CHECK(rig.driver.get(magic_value) == 0x74726976);
    CHECK(rig.driver.get(config_generation) == 0);
}

TEST_CASE("no shared memory region has a length") {
    const Fixture rig;
    rig.driver.set(shm_sel, 0);
    CHECK(rig.driver.get(shm_len_low) == 0xffffffff);
    CHECK(rig.driver.get(shm_len_high) == 0xffffffff);
    CHECK(rig.driver.get(shm_base_low) == 0xffffffff);
}

TEST_CASE("D1: the configuration space is bounded, at every width") {
    const Fixture rig;
    CHECK(rig.driver.config<std::uint8_t>(0) == 'c');
    CHECK(rig.driver.config<std::uint16_t>(0) == ('c' | 'o' << 8));
    CHECK(rig.driver.config<std::uint32_t>(8) == ('a' | 't' << 8 | 'i' << 16 | 'o' << 24));
    // The last byte is the 13th; beyond are zeroes, never the daemon's memory.
    CHECK(rig.driver.config<std::uint64_t>(8) == 0x6e6f697461);
    CHECK(rig.driver.config<std::uint32_t>(13) == 0);
    CHECK(rig.driver.config<std::uint64_t>(0xef8) == 0);
    CHECK(rig.driver.read(UINT64_MAX - 8, 8) == 0);
    rig.driver.write(0x100, 1, 'X');
    CHECK(rig.driver.config<std::uint8_t>(0) == 'c');
}

TEST_CASE("DeviceFeatures is masked to the word that is selected") {
    const Fixture rig;
    const auto offered = rig.driver.offered();
    CHECK(offered == (FeatureSet{f_test} | transport_features));
    rig.driver.set(device_features_sel, 2);
    CHECK(rig.driver.get(device_features) == 0);
    rig.driver.set(device_features_sel, 0);
    CHECK(rig.driver.read(0x010, 4) <= UINT32_MAX);
}

TEST_CASE("D7: FEATURES_OK is refused for a bit that was not offered") {
    const Fixture rig;
    CHECK_FALSE(rig.driver.negotiate({FeatureBit::version_1, FeatureBit{7}}));
    CHECK_FALSE(rig.driver.negotiate({f_test})); // without VERSION_1
    CHECK(rig.driver.negotiate({FeatureBit::version_1, f_test}));
}

TEST_CASE("D7: driver features are replaced, reset and frozen") {
    const Fixture rig;
    CHECK_FALSE(rig.driver.negotiate({FeatureBit::version_1, FeatureBit{7}}));
    // The bad bit does not survive the reset, nor another write.
    CHECK(rig.driver.negotiate({FeatureBit::version_1}));
    rig.driver.accept({FeatureBit{7}});
    rig.driver.add_status(status::driver_ok);
    CHECK((rig.driver.get(Register::status) & status::driver_ok) != 0);
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("DRIVER_OK needs FEATURES_OK") {
    const Fixture rig;
    rig.driver.reset();
    rig.driver.add_status(status::acknowledge | status::driver | status::driver_ok);
    CHECK(rig.driver.get(Register::status) == (status::acknowledge | status::driver));
}

TEST_CASE("the driver cannot set DEVICE_NEEDS_RESET nor take bits back") {
    const Fixture rig;
    rig.driver.set(Register::status, 0xffffff00 | status::failed | status::needs_reset | status::acknowledge);
    CHECK(rig.driver.get(Register::status) == (status::acknowledge | status::failed));
    rig.driver.set(Register::status, status::driver);
    CHECK(rig.driver.get(Register::status) == (status::acknowledge | status::driver | status::failed));
}

TEST_CASE("D2: any QueueSel is harmless") {
    const Fixture rig;
    const auto selected = GENERATE(2U, 15U, 16U, 17U, 0x7fffffffU, 0xffffffffU);
    REQUIRE(rig.driver.negotiate({FeatureBit::version_1}));
    rig.driver.write_queue(selected, 16, Fixture::ram_address, Fixture::ram_address, Fixture::ram_address);
    rig.driver.set(queue_ready, 1);
    CHECK(rig.driver.get(queue_num_max) == 0);
    CHECK(rig.driver.get(queue_ready) == 0);
    rig.driver.set(queue_sel, 0);
    CHECK(rig.driver.get(queue_num_max) == test_queue_size);
    CHECK(rig.driver.get(queue_ready) == 0);
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("D3: a queue size that is no power of two up to QueueNumMax is refused") {
    Fixture rig;
    const auto size = GENERATE(3U, 12U, 32U, 0x10000U, 0x80000000U, 0xffffffffU);
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    REQUIRE(rig.driver.negotiate({FeatureBit::version_1}));
    rig.driver.write_queue(0, size, queue.descriptors(), queue.avail(), queue.used());
    rig.driver.set(queue_ready, 1);
    CHECK(rig.driver.get(queue_ready) == 0);
    CHECK(rig.needs_reset());
    // DRIVER_OK cannot hide it.
    rig.driver.start();
    CHECK((rig.driver.get(Register::status) & status::driver_ok) == 0);
    rig.driver.reset();
    CHECK(rig.driver.get(Register::status) == 0);
}

TEST_CASE("a queue whose size the driver leaves is of the largest, after each reset") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    for (const bool writes_0 : {false, true}) {
        queue.reset();
        REQUIRE(rig.driver.negotiate({FeatureBit::version_1}));
        rig.driver.set(queue_sel, 0);
        if (writes_0) {
            rig.driver.set(queue_num, 0);
        }
        rig.driver.set(queue_desc_low, static_cast<std::uint32_t>(queue.descriptors()));
        rig.driver.set(queue_driver_low, static_cast<std::uint32_t>(queue.avail()));
        rig.driver.set(queue_device_low, static_cast<std::uint32_t>(queue.used()));
        rig.driver.set(queue_ready, 1);
        CHECK(rig.driver.get(queue_ready) == 1);
        CHECK(rig.transport.queue_size(0) == test_queue_size);
        rig.driver.start();
        kit::ChainBuilder(queue).readable("x").add();
        rig.driver.kick(0);
        REQUIRE(kit::eventually([&] { return queue.used_index() == 1; }));
        // Another driver has taken a smaller one before.
        rig.driver.reset();
        rig.driver.set(queue_num, 2);
        rig.driver.reset();
    }
}

TEST_CASE("D3: the registers of a queue that is ready are frozen") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, 8);
    rig.bring_up(queue);
    rig.driver.write_queue(0, 1U << 15, 0, UINT64_MAX, 1);
    rig.driver.set(queue_ready, 1);
    kit::ChainBuilder(queue).readable("still here").add();
    rig.driver.kick(0);
    CHECK(kit::eventually([&] { return rig.device.requests().size() == 1; }));
    CHECK(rig.transport.queue_size(0) == 8);
}

TEST_CASE("D6: queue addresses are replaced, in any order of their halves") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    REQUIRE(rig.driver.negotiate({FeatureBit::version_1}));
    rig.driver.write_queue(0, test_queue_size, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    rig.driver.set(queue_desc_high, 0);
    rig.driver.set(queue_desc_low, static_cast<std::uint32_t>(queue.descriptors()));
    rig.driver.set(queue_driver_high, 0);
    rig.driver.set(queue_driver_low, static_cast<std::uint32_t>(queue.avail()));
    rig.driver.set(queue_device_high, 0);
    rig.driver.set(queue_device_low, static_cast<std::uint32_t>(queue.used()));
    rig.driver.set(queue_ready, 1);
    REQUIRE(rig.driver.get(queue_ready) == 1);
    rig.driver.start();
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    CHECK(kit::eventually([&] { return queue.used_index() == 1; }));
}

TEST_CASE("D4: a queue that is misplaced or misaligned does not become ready") {
    const Fixture rig;
    const auto end = Fixture::ram_address + rig.ram.size();
    struct Case {
        std::uint64_t descriptors, avail, used;
    };
    constexpr auto at = Fixture::ram_address;
    const auto bad =
        GENERATE_COPY(Case{0, at, at}, Case{at, 0, at}, Case{at, at, 0}, Case{at + 8, at, at},
                      Case{at, at + 1, at}, Case{at, at, at + 2}, Case{end - 16, at, at},
                      Case{at, end - 4, at}, Case{at, at, end - 8}, Case{UINT64_MAX - 15, at, at});
    REQUIRE(rig.driver.negotiate({FeatureBit::version_1}));
    rig.driver.write_queue(0, test_queue_size, bad.descriptors, bad.avail, bad.used);
    rig.driver.set(queue_ready, 1);
    CHECK(rig.driver.get(queue_ready) == 0);
    CHECK(rig.needs_reset());
}

TEST_CASE("D2: a notification of any number is harmless") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.driver.kick(0); // before DRIVER_OK
    rig.bring_up(queue);
    for (const auto number : {1U, 2U, 31U, 32U, 0xffffU, 0xffffffffU}) {
        rig.driver.kick(number);
    }
    rig.settle();
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("buffers made available before DRIVER_OK are taken after it") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    REQUIRE(rig.driver.negotiate({FeatureBit::version_1}));
    REQUIRE(rig.driver.set_up_queue(0, queue));
    kit::ChainBuilder(queue).readable("early").add();
    rig.driver.kick(0);
    rig.settle();
    CHECK(rig.device.requests().empty());
    rig.driver.start();
    CHECK(kit::eventually([&] { return rig.device.requests().size() == 1; }));
}

TEST_CASE("a queue cannot become ready after DRIVER_OK") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    const kit::SplitQueue other(rig.ram, test_queue_size);
    CHECK_FALSE(rig.driver.set_up_queue(1, other));
}

TEST_CASE("InterruptStatus follows InterruptACK") {
    Fixture rig;
    kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    kit::ChainBuilder(queue).readable("x").add();
    rig.driver.kick(0);
    REQUIRE(rig.port.wait_for_injections(1));
    CHECK(rig.driver.get(interrupt_status) == interrupt_used_buffer);
    rig.driver.set(interrupt_ack, interrupt_config_change);
    CHECK(rig.driver.get(interrupt_status) == interrupt_used_buffer);
    rig.driver.set(interrupt_ack, interrupt_used_buffer);
    CHECK(rig.driver.get(interrupt_status) == 0);
}
