// SPDX-License-Identifier: Apache-2.0
#include "fixture.hpp"

#include <catch2/generators/catch_generators.hpp>
#include <thread>

using namespace hvisor;
using namespace hvisor::virtio;
using enum Register;

namespace {

/// 0 … 3 read-only, 4 … 7 and 8 … 15 writable, 16 … 19 read-only.
DeviceModel writable_model() {
    auto model = TestDevice::make_model();
    model.config = kit::to_bytes("0123456789abcdefghij");
    model.writable_config = {{.offset = 4, .size = 4}, {.offset = 8, .size = 8}};
    return model;
}

struct Writable : Fixture {
    Writable() : Fixture(writable_model()) {}

    [[nodiscard]] std::string config() const {
        std::string text;
        for (std::uint64_t i = 0; i < 20; ++i) {
            text += driver.config<char>(i);
        }
        return text;
    }
    [[nodiscard]] auto seen() const {
        settle();
        return device.config_writes();
    }
};

using Seen = std::vector<std::pair<std::size_t, std::size_t>>;

} // namespace

TEST_CASE("a driver writes a field of the configuration space at any width, and the device hears of it") {
    Writable rig;
    rig.driver.write(0x104, 4, 'A' | 'B' << 8 | 'C' << 16 | 'D' << 24);
    CHECK(rig.config() == "0123ABCD89abcdefghij");
    rig.driver.write(0x106, 2, 'x' | 'y' << 8);
    CHECK(rig.config() == "0123ABxy89abcdefghij");
    rig.driver.write(0x105, 1, '!');
    CHECK(rig.config() == "0123A!xy89abcdefghij");
    rig.driver.write(0x108, 8, 0x5a5a5a5a5a5a5a5a);
    CHECK(rig.config() == "0123A!xyZZZZZZZZghij");
    rig.driver.write(0x10c, 4, 0x2b2b2b2b);
    CHECK(rig.config() == "0123A!xyZZZZ++++ghij");
    CHECK(rig.seen() == Seen{{4, 4}, {6, 2}, {5, 1}, {8, 8}, {12, 4}});
}

TEST_CASE("a write that is not wholly in one writable field changes nothing") {
    Writable rig;
    struct Case {
        std::uint64_t offset;
        unsigned size;
    };
    const auto bad = GENERATE(Case{0, 1}, Case{0, 4}, Case{0, 8}, Case{3, 2}, Case{4, 8}, Case{6, 4},
                              Case{14, 4}, Case{16, 1}, Case{16, 4}, Case{20, 1}, Case{0xeff, 1},
                              Case{UINT64_MAX - 0x103, 4}, Case{UINT64_MAX - 0x100, 8});
    rig.driver.write(0x100 + bad.offset, bad.size, UINT64_MAX);
    CHECK(rig.config() == "0123456789abcdefghij");
    CHECK(rig.seen().empty());
}

TEST_CASE("the configuration space can be written before FEATURES_OK and while the device runs") {
    // virtio 1.2, 3.1.1: a driver may read and write it from step 4 on.
    Writable rig;
    rig.driver.write(0x105, 1, 'a');
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    rig.driver.write(0x106, 1, 'b');
    CHECK(rig.config() == "01234ab789abcdefghij");
    CHECK(rig.seen() == Seen{{5, 1}, {6, 1}});
}

TEST_CASE("after quiesce the device hears of no write any more") {
    Writable rig;
    rig.device.quiesce();
    rig.driver.write(0x105, 1, 'a');
    CHECK(rig.seen().empty());
}

TEST_CASE("a change of the configuration space is told with an interrupt and another generation") {
    Fixture rig;
    const kit::SplitQueue queue(rig.ram, test_queue_size);
    rig.bring_up(queue);
    const auto before = rig.driver.get(config_generation);
    rig.device.change_config(4, "URATION");
    // On a busy machine it is sent again before anybody looks.
    CHECK(rig.device.interrupt().sent() - rig.device.interrupt().repeated() == 1);
    CHECK(rig.driver.get(interrupt_status) == interrupt_config_change);
    CHECK(rig.driver.get(config_generation) != before);
    CHECK(rig.driver.config<std::uint64_t>(4) == 0x6f4e4f4954415255);
    // One event, however often it is looked at.
    rig.driver.acknowledge();
    CHECK(rig.driver.get(interrupt_status) == 0);
}

TEST_CASE("a change before DRIVER_OK is seen and not told") {
    Fixture rig;
    rig.device.change_config(0, "C");
    CHECK(rig.driver.config<char>(0) == 'C');
    CHECK(rig.port.injections() == 0);
    CHECK(rig.driver.get(interrupt_status) == 0);
}

TEST_CASE("a driver that compares generations never takes half of a change for whole") {
    Fixture rig;
    std::atomic<bool> stop{false};
    std::jthread changer([&] {
        while (!stop) {
            rig.device.change_config(0, "aaaaaaaaaaaaa");
            rig.device.change_config(0, "bbbbbbbbbbbbb");
        }
    });
    unsigned whole = 0;
    unsigned torn = 0;
    const bool enough = kit::eventually([&] {
        for (int i = 0; i < 200; ++i) {
            const auto before = rig.driver.get(config_generation);
            std::string text;
            for (std::uint64_t at = 0; at < 13; ++at) {
                text += rig.driver.config<char>(at);
            }
            if (rig.driver.get(config_generation) != before) {
                continue;
            }
            ++whole;
            // Before the first change it says "configuration".
            torn += text == std::string(13, 'a') || text == std::string(13, 'b') || text == "configuration"
                        ? 0U
                        : 1U;
        }
        return whole > 1000;
    });
    stop = true;
    CHECK(enough);
    CHECK(torn == 0);
}
