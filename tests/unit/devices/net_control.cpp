// SPDX-License-Identifier: Apache-2.0
#include "kit/captured_log.hpp"
#include "net_rig.hpp"

#include <deque>

namespace net_control_test {

using namespace hvisor;
using namespace hvisor::devices::net;
using kit::ChainBuilder;

namespace {

constexpr std::uint8_t rx_class = 0;
constexpr std::uint8_t mac_class = 1;
constexpr std::uint8_t mq_class = 4;
constexpr std::uint8_t offloads_class = 5;
constexpr std::uint8_t on = 1;
constexpr std::uint8_t off = 0;

constexpr Mac stranger{0x02, 9, 9, 9, 9, 9};
constexpr Mac strange_group{0x33, 0x33, 9, 9, 9, 9};

struct ControlRig : NetRig {
    explicit ControlRig(virtio::FeatureSet wanted = full | virtio::FeatureSet{f_ctrl_rx_extra},
                        std::shared_ptr<FakeBackend> cable = std::make_shared<FakeBackend>())
        : NetRig(wanted, std::move(cable)) {}

    /// Whether a frame to this address reaches the guest.
    bool receives(const Mac& destination) {
        buffers.push_back(give_buffer());
        const auto before = device.dropped(Drop::not_mine);
        const auto frame = make_frame(destination, host_mac, 100, ++number);
        REQUIRE(host->put(frame));
        std::optional<kit::DriverQueue::Used> used;
        REQUIRE(kit::eventually([&] {
            return (used = rx().take_used()).has_value() || device.dropped(Drop::not_mine) != before;
        }));
        if (used) {
            CHECK(frame_in(buffers.front(), used->length).bytes == frame);
            buffers.pop_front();
        }
        return used.has_value();
    }
    /// The config space's address.
    [[nodiscard]] Mac mac() const {
        Mac mac{};
        for (std::size_t i = 0; i < mac.size(); ++i) {
            mac.at(i) = driver.config<std::uint8_t>(i);
        }
        return mac;
    }
    /// A command of bytes as they are, with its answer.
    std::uint8_t raw(std::span<const std::byte> bytes) {
        ChainBuilder chain(control());
        chain.readable(bytes).writable(1);
        chain.add();
        driver.kick(static_cast<std::uint32_t>(queues.size() - 1));
        CHECK(used(control()).length == 1);
        return std::to_integer<std::uint8_t>(chain.written(0)[0]);
    }

    std::deque<ChainBuilder> buffers;
    unsigned number = 0;
};

} // namespace

TEST_CASE("a driver without CTRL_RX receives everything") {
    ControlRig rig(NetRig::basic);
    CHECK(rig.receives(guest_mac));
    CHECK(rig.receives(stranger));
    CHECK(rig.receives(strange_group));
}

TEST_CASE("the receive filter does what the driver asks for") {
    ControlRig rig;
    CHECK(rig.receives(guest_mac));
    CHECK(rig.receives(broadcast_mac));
    CHECK_FALSE(rig.receives(stranger));
    CHECK_FALSE(rig.receives(strange_group));
    CHECK(rig.command(rx_class, 0, on) == ack_ok); // promiscuous
    CHECK(rig.receives(stranger));
    CHECK(rig.receives(strange_group));
    CHECK(rig.command(rx_class, 0, off) == ack_ok);
    CHECK(rig.command(rx_class, 1, on) == ack_ok); // all multicast
    CHECK_FALSE(rig.receives(stranger));
    CHECK(rig.receives(strange_group));
    CHECK(rig.command(rx_class, 1, off) == ack_ok);
    CHECK(rig.command(rx_class, 2, on) == ack_ok); // all unicast
    CHECK(rig.receives(stranger));
    CHECK(rig.command(rx_class, 2, off) == ack_ok);
    CHECK(rig.command(rx_class, 5, on) == ack_ok); // no broadcast
    CHECK_FALSE(rig.receives(broadcast_mac));
    CHECK(rig.receives(guest_mac));
    CHECK(rig.device.queue_state(0).metrics.errors.get() == 0);
}

TEST_CASE("the tables of addresses are set, and empty after a reset") {
    ControlRig rig;
    struct {
        std::uint32_t unicast_count = 2;
        Mac unicast[2] = {stranger, {0x02, 8, 8, 8, 8, 8}};
    } const unicast;
    struct {
        std::uint32_t count = 1;
        Mac list[1] = {strange_group};
    } const multicast;
    std::vector<std::byte> bytes{std::byte{mac_class}, std::byte{0}};
    const auto append = [&bytes](const auto& value, std::size_t size) {
        const auto all = std::as_bytes(std::span(&value, 1)).first(size);
        bytes.insert(bytes.end(), all.begin(), all.end());
    };
    append(unicast, 4 + 12);
    append(multicast, 4 + 6);
    CHECK(rig.raw(bytes) == ack_ok);
    CHECK(rig.receives(stranger));
    CHECK(rig.receives(strange_group));
    CHECK_FALSE(rig.receives({0x02, 7, 7, 7, 7, 7}));
    // A list that ends too early, or goes on behind its end, changes nothing.
    CHECK(rig.raw(std::span(bytes).first(bytes.size() - 1)) == ack_error);
    CHECK(rig.raw(std::span(bytes).first(18)) == ack_error);
    bytes.push_back(std::byte{0});
    CHECK(rig.raw(bytes) == ack_error);
    bytes[2] = bytes[3] = bytes[4] = bytes[5] = std::byte{0xff};
    CHECK(rig.raw(bytes) == ack_error);
    CHECK(rig.receives(stranger));
    rig.restart();
    rig.buffers.clear();
    CHECK_FALSE(rig.receives(stranger));
}

TEST_CASE("more addresses than the table holds let everything of their kind pass") {
    ControlRig rig;
    std::vector<std::byte> bytes(2 + 4 + 300 * sizeof(Mac) + 4);
    bytes[0] = std::byte{mac_class};
    bytes[2] = std::byte{300 & 0xff};
    bytes[3] = std::byte{300 >> 8};
    CHECK(rig.raw(bytes) == ack_ok);
    CHECK(rig.receives(stranger));
    CHECK_FALSE(rig.receives(strange_group));
}

TEST_CASE("the address is set, shown, listened to, and as before after a reset") {
    ControlRig rig;
    CHECK(rig.command(mac_class, 1, stranger) == ack_ok);
    CHECK(rig.mac() == stranger);
    CHECK(rig.receives(stranger));
    CHECK_FALSE(rig.receives(guest_mac));
    CHECK(rig.command(mac_class, 1, strange_group) == ack_error);
    CHECK(rig.mac() == stranger);
    rig.restart();
    rig.buffers.clear();
    CHECK(rig.mac() == guest_mac);
    CHECK(rig.receives(guest_mac));
    CHECK_FALSE(rig.receives(stranger));
}

TEST_CASE("commands that are wrong are refused, and change nothing") {
    ControlRig rig;
    const auto refused = [&](std::initializer_list<unsigned> command) {
        std::vector<std::byte> bytes;
        for (const auto byte : command) {
            bytes.push_back(static_cast<std::byte>(byte));
        }
        return rig.raw(bytes) == ack_error;
    };
    CHECK(refused({0}));                            // no command
    CHECK(refused({0, 0}));                         // no data
    CHECK(refused({0, 0, 1, 1}));                   // too much
    CHECK(refused({0, 6, 1}));                      // no such command
    CHECK(refused({1, 1, 2, 2, 2}));                // half an address
    CHECK(refused({1, 2, 0, 0, 0, 0}));             // no such command
    CHECK(refused({2, 0, 1, 0}));                   // VLAN, not offered
    CHECK(refused({3, 0}));                         // announcement, not offered
    CHECK(refused({4, 0, 1, 0}));                   // several pairs, not negotiated
    CHECK(refused({5, 0, 1, 0, 0, 0}));             // half a number
    CHECK(refused({5, 1, 1, 0, 0, 0, 0, 0, 0, 0})); // no such command
    CHECK(refused({5, 0, 4, 0, 0, 0, 0, 0, 0, 0})); // no offload
    CHECK(refused({5, 0, 0, 4, 0, 0, 0, 0, 0, 0})); // UFO, not negotiated
    CHECK(refused({0xff, 0xff}));
    CHECK_FALSE(rig.receives(stranger));
    CHECK(rig.device.queue_state(2).metrics.errors.get() == 14);
    CHECK_FALSE(rig.needs_reset());

    ControlRig plain(NetRig::basic | virtio::FeatureSet{f_ctrl_vq});
    CHECK(plain.command(rx_class, 0, on) == ack_error);
    CHECK(plain.command(mac_class, 1, stranger) == ack_error);
    CHECK(plain.command(offloads_class, 0, std::uint64_t{0}) == ack_error);
}

TEST_CASE("a command without room for its answer needs a reset") {
    ControlRig rig;
    ChainBuilder chain(rig.control());
    chain.readable(std::string_view("\0\0\1", 3)).add();
    rig.driver.kick(2);
    CHECK(kit::eventually([&] { return rig.needs_reset(); }));
    rig.restart();
    CHECK(rig.command(rx_class, 0, on) == ack_ok);
}

TEST_CASE("the host is told which offloads the driver takes, at its start and later") {
    ControlRig rig;
    const auto told = [&] { return rig.host->configured().back().first; };
    REQUIRE(kit::eventually([&] { return !rig.host->configured().empty(); }));
    CHECK(told() == guest_offloads(NetRig::full));
    CHECK(rig.command(offloads_class, 0, std::uint64_t{0}) == ack_ok);
    CHECK(told() == Offloads{});
    // What was on its way does not reach the driver any more.
    rig.give_buffer(60000);
    Header header{};
    header.flags = header_needs_csum;
    header.csum_start = 34;
    REQUIRE(rig.host->put(make_frame(guest_mac, host_mac, 100, 1), header));
    REQUIRE(kit::eventually([&] { return rig.device.dropped(Drop::not_allowed) == 1; }));
    CHECK(rig.command(offloads_class, 0, std::uint64_t{1U << 1 | 1U << 7}) == ack_ok);
    CHECK(told().tso4);
    CHECK_FALSE(told().tso6);
    rig.host->refuses = true;
    CHECK(rig.command(offloads_class, 0, std::uint64_t{0}) == ack_error);
    rig.host->refuses = false;
    // The next driver starts with what it negotiates.
    rig.restart();
    REQUIRE(kit::eventually([&] { return told() == guest_offloads(NetRig::full); }));
}

TEST_CASE("a driver that has commands refused by the host's end fills no log") {
    ControlRig rig;
    rig.host->refuses = true;
    const kit::CapturedLog log;
    for (unsigned i = 0; i < 4 * RateLimit::burst; ++i) {
        CHECK(rig.command(offloads_class, 0, std::uint64_t{i % 2 == 0 ? 0U : 1U << 1}) == ack_error);
    }
    CHECK(log.lines() <= RateLimit::burst);
}

TEST_CASE("a driver that takes everything needs no change of the host's end") {
    const NetRig rig(NetRig::basic | offload_features(all_offloads));
    rig.settle();
    CHECK(rig.host->configured().empty());
}

TEST_CASE("several pairs are used when the driver asks for them") {
    ControlRig rig(NetRig::full | virtio::FeatureSet{f_mq}, std::make_shared<FakeBackend>(3));
    REQUIRE(rig.queues.size() == 7);
    const auto frame = make_frame(guest_mac, host_mac, 100, 1);
    // On the others nothing is received before, but sent at any time.
    for (std::size_t pair = 0; pair < 3; ++pair) {
        rig.transmit(rig.frame_chain(make_frame(host_mac, guest_mac, 60, 1), {}, pair), pair);
        CHECK(rig.at_host(pair));
    }
    const auto buffer = rig.give_buffer(2048, 2);
    REQUIRE(rig.host->put(frame, {}, 2));
    CHECK(rig.command(mq_class, 0, std::uint16_t{0}) == ack_error);
    CHECK(rig.command(mq_class, 0, std::uint16_t{4}) == ack_error);
    CHECK(rig.command(mq_class, 1, std::uint16_t{2}) == ack_error);
    CHECK_FALSE(rig.rx(2).has_used());
    CHECK(rig.command(mq_class, 0, std::uint16_t{3}) == ack_ok);
    CHECK(rig.host->configured().back().second == 3);
    CHECK(NetRig::frame_in(buffer, rig.used(rig.rx(2)).length).bytes == frame);
    CHECK(rig.command(mq_class, 0, std::uint16_t{1}) == ack_ok);
    CHECK(rig.host->configured().back().second == 1);
    const auto ignored = rig.give_buffer(2048, 2);
    REQUIRE(rig.host->put(frame, {}, 2));
    rig.settle();
    CHECK_FALSE(rig.rx(2).has_used());
    // Back to one pair with the next driver.
    rig.restart();
    CHECK(rig.host->configured().back().second == 1);
    CHECK(rig.command(mq_class, 0, std::uint16_t{2}) == ack_ok);
}

TEST_CASE("without MQ the control queue is the third, whatever the device could have") {
    ControlRig rig(NetRig::full, std::make_shared<FakeBackend>(3));
    REQUIRE(rig.queues.size() == 3);
    CHECK(rig.command(rx_class, 0, on) == ack_ok);
    CHECK(rig.receives(stranger));
}

TEST_CASE("many commands at once are answered in order") {
    ControlRig rig;
    std::vector<ChainBuilder> chains;
    for (unsigned i = 0; i < 20; ++i) {
        chains.emplace_back(rig.control());
        if (i % 2 == 0) {
            chains.back().readable_value(std::uint8_t{offloads_class}).readable_value(off);
            chains.back().readable_value(std::uint64_t{i % 4 == 0 ? 0U : 2U}).writable(1);
        } else {
            chains.back().readable_value(std::uint8_t{rx_class}).readable_value(off).readable_value(on);
            chains.back().writable(1);
        }
    }
    std::vector<std::uint16_t> heads;
    for (auto& chain : chains) {
        if (rig.control().free_descriptors() < 4) {
            break;
        }
        heads.push_back(chain.add());
    }
    rig.driver.kick(2);
    for (std::size_t i = 0; i < heads.size(); ++i) {
        CHECK(rig.used(rig.control()).head == heads[i]);
        CHECK(chains[i].written(0)[0] == std::byte{ack_ok});
    }
}

TEST_CASE("a driver resets the device in the middle of a command") {
    for (int round = 0; round < 20; ++round) {
        ControlRig rig;
        ChainBuilder chain(rig.control());
        chain.readable_value(std::uint8_t{offloads_class}).readable_value(off);
        chain.readable_value(std::uint64_t{0}).writable(1);
        chain.add();
        rig.driver.kick(2);
        rig.restart();
        CHECK(rig.command(rx_class, 0, on) == ack_ok);
        CHECK(rig.receives(stranger));
        REQUIRE(kit::eventually(
            [&] { return rig.host->configured().back().first == guest_offloads(NetRig::full); }));
    }
}

} // namespace net_control_test
