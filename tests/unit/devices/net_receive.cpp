// SPDX-License-Identifier: Apache-2.0
#include "net_rig.hpp"

#include <map>

namespace net_receive_test {

using namespace hvisor;
using namespace hvisor::devices::net;
using namespace std::chrono_literals;
using kit::ChainBuilder;

namespace {

std::vector<std::byte> frame_to_guest(std::size_t size, unsigned number = 1) {
    return make_frame(guest_mac, host_mac, size, number);
}

constexpr Header segment{.flags = header_needs_csum,
                         .gso_type = gso_tcpv4,
                         .hdr_len = 54,
                         .gso_size = 1448,
                         .csum_start = 34,
                         .csum_offset = 16,
                         .num_buffers = 0};

/// A frame over several buffers, each filled before the next one.
HostFrame merge(NetRig& rig, const std::vector<ChainBuilder>& buffers, std::size_t first) {
    HostFrame frame;
    std::vector<std::byte> bytes;
    for (std::size_t i = 0, count = 1; i < count; ++i) {
        const auto used = rig.used(rig.rx());
        const auto part = buffers.at(first + i).written(0);
        REQUIRE(used.length <= part.size());
        bytes.insert(bytes.end(), part.begin(), part.begin() + used.length);
        if (i == 0) {
            REQUIRE(bytes.size() >= sizeof frame.header);
            std::memcpy(&frame.header, bytes.data(), sizeof frame.header);
            count = frame.header.num_buffers;
        }
        // Only the last one may have room left.
        CHECK((i + 1 == count || used.length == part.size()));
    }
    frame.bytes.assign(bytes.begin() + sizeof frame.header, bytes.end());
    return frame;
}

} // namespace

TEST_CASE("a frame is received into a buffer, behind a header that says so") {
    NetRig rig;
    const auto frame = frame_to_guest(60);
    const auto buffer = rig.give_buffer();
    REQUIRE(rig.host->put(frame));
    const auto used = rig.used(rig.rx());
    CHECK(used.length == sizeof(Header) + frame.size());
    const auto got = NetRig::frame_in(buffer, used.length);
    CHECK(got.bytes == frame);
    CHECK(got.header.num_buffers == 1);
    CHECK(got.header.flags == 0);
    CHECK(rig.device.queue_state(0).metrics.bytes.get() == frame.size());
}

TEST_CASE("a frame is received, however the buffer's chain is cut") {
    NetRig rig;
    const auto frame = frame_to_guest(300);
    for (const std::vector<std::uint32_t>& cuts : {std::vector<std::uint32_t>{12, 1600},
                                                   {5, 7, 14, 1600},
                                                   {1, 1, 24, 1, 1, 1600},
                                                   {26, 1600},
                                                   {25, 1600}}) {
        ChainBuilder buffer(rig.rx());
        for (const auto length : cuts) {
            buffer.writable(length);
        }
        buffer.add();
        rig.driver.kick(0);
        REQUIRE(rig.host->put(frame));
        CHECK(rig.used(rig.rx()).length == sizeof(Header) + frame.size());
        std::vector<std::byte> whole;
        for (std::size_t i = 0; i < cuts.size(); ++i) {
            const auto part = buffer.written(i);
            whole.insert(whole.end(), part.begin(), part.end());
        }
        CHECK(std::ranges::equal(std::span(whole).subspan(sizeof(Header), frame.size()), frame));
        CHECK(whole.at(sizeof(Header) + frame.size()) == std::byte{0xee});
    }
}

TEST_CASE("D12: frames wait for buffers: none is lost, and waiting costs no time") {
    NetRig rig;
    constexpr unsigned count = 50;
    for (unsigned i = 0; i < count; ++i) {
        REQUIRE(rig.host->put(frame_to_guest(1000, i)));
    }
    rig.settle();
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(200ms);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
    for (unsigned i = 0; i < count; ++i) {
        const auto buffer = rig.give_buffer();
        const auto used = rig.used(rig.rx());
        CHECK(NetRig::frame_in(buffer, used.length).bytes == frame_to_guest(1000, i));
    }
}

TEST_CASE("a stream of frames arrives whole and in order, with any features") {
    const virtio::FeatureSet sets[] = {
        NetRig::basic,
        NetRig::mergeable,
        NetRig::full,
        NetRig::full | virtio::FeatureSet{virtio::FeatureBit::ring_event_idx},
        NetRig::mergeable | virtio::FeatureSet{virtio::FeatureBit::in_order},
        NetRig::full |
            virtio::FeatureSet{virtio::FeatureBit::ring_packed, virtio::FeatureBit::ring_event_idx},
        NetRig::basic | virtio::FeatureSet{virtio::FeatureBit::ring_packed, virtio::FeatureBit::in_order}};
    for (const auto& features : sets) {
        INFO("features " << features.bits());
        NetRig rig(features);
        constexpr unsigned count = 1000;
        constexpr std::size_t buffer_size = 1600;
        std::vector<std::uint64_t> free;
        for (int i = 0; i < 40; ++i) {
            free.push_back(rig.ram.allocate(buffer_size));
        }
        std::map<std::uint16_t, std::uint64_t> given;
        std::jthread sender([&] {
            for (unsigned i = 0; i < count;) {
                i += rig.host->put(frame_to_guest(60 + i % 1400, i)) ? 1 : 0;
            }
        });
        unsigned got = 0;
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (got < count && std::chrono::steady_clock::now() < deadline) {
            while (!free.empty()) {
                const kit::Descriptor chain[] = {
                    {.address = free.back(), .length = buffer_size, .flags = kit::desc_write, .next = 0}};
                given[rig.rx().add(chain)] = free.back();
                free.pop_back();
            }
            if (rig.rx().needs_kick()) {
                rig.driver.kick(0);
            }
            while (const auto used = rig.rx().take_used()) {
                const auto at = given.at(used->head);
                const auto frame = frame_to_guest(60 + got % 1400, got);
                REQUIRE(used->length == sizeof(Header) + frame.size());
                REQUIRE(std::ranges::equal(rig.ram.read(at + sizeof(Header), frame.size()), frame));
                free.push_back(at);
                ++got;
            }
        }
        CHECK(got == count);
    }
}

TEST_CASE("a large frame fills several mergeable buffers with one header") {
    NetRig rig(NetRig::full);
    std::vector<ChainBuilder> buffers;
    for (int i = 0; i < 48; ++i) {
        buffers.push_back(rig.give_buffer(1536, 0, false));
    }
    rig.driver.kick(0);
    REQUIRE(rig.host->put(frame_to_guest(60000), segment));
    REQUIRE(rig.host->put(frame_to_guest(60, 2)));
    const auto large = merge(rig, buffers, 0);
    CHECK(large.header.num_buffers == (60000 + 12 + 1535) / 1536);
    CHECK(large.header.gso_type == gso_tcpv4);
    CHECK(large.header.flags == header_needs_csum);
    CHECK(large.bytes == frame_to_guest(60000));
    const auto small = merge(rig, buffers, large.header.num_buffers);
    CHECK(small.bytes == frame_to_guest(60, 2));
    CHECK(small.header.num_buffers == 1);
}

TEST_CASE("a large frame that came before its buffers waits for them") {
    NetRig rig(NetRig::full);
    std::vector<ChainBuilder> buffers;
    buffers.push_back(rig.give_buffer(1000));
    REQUIRE(rig.host->put(frame_to_guest(20000), segment));
    rig.settle();
    for (int i = 0; i < 20; ++i) {
        CHECK_FALSE(rig.rx().has_used());
        buffers.push_back(rig.give_buffer(1000));
        rig.settle();
    }
    CHECK(merge(rig, buffers, 0).bytes == frame_to_guest(20000));
}

TEST_CASE("buffers of a header's size are enough, if there are many") {
    NetRig rig(NetRig::mergeable);
    std::vector<ChainBuilder> buffers;
    for (int i = 0; i < 40; ++i) {
        buffers.push_back(rig.give_buffer(12, 0, false));
    }
    rig.driver.kick(0);
    REQUIRE(rig.host->put(frame_to_guest(400)));
    CHECK(merge(rig, buffers, 0).bytes == frame_to_guest(400));
}

TEST_CASE("a frame that never gets its buffers is given up, and the next one passes") {
    NetRig rig(NetRig::full, std::make_shared<FakeBackend>(), {}, {}, 4);
    std::vector<ChainBuilder> buffers;
    for (int i = 0; i < 4; ++i) {
        buffers.push_back(rig.give_buffer(1000));
    }
    REQUIRE(rig.host->put(frame_to_guest(20000), segment));
    REQUIRE(rig.host->put(frame_to_guest(60, 2)));
    CHECK(merge(rig, buffers, 0).bytes == frame_to_guest(60, 2));
    CHECK(rig.device.dropped(Drop::no_room) == 1);
}

TEST_CASE("without mergeable buffers a frame has to fit into one") {
    NetRig rig;
    auto small = rig.give_buffer(100);
    REQUIRE(rig.host->put(frame_to_guest(1000)));
    REQUIRE(kit::eventually([&] { return rig.device.dropped(Drop::no_room) == 1; }));
    // The buffer was not used up.
    REQUIRE(rig.host->put(frame_to_guest(80, 2)));
    CHECK(NetRig::frame_in(small, rig.used(rig.rx()).length).bytes == frame_to_guest(80, 2));
}

TEST_CASE("receive buffers that are none need a reset") {
    for (const int kind : {0, 1, 2, 3}) {
        INFO("kind " << kind);
        NetRig rig(NetRig::mergeable);
        ChainBuilder chain(rig.rx());
        switch (kind) {
        case 0:
            chain.readable(std::string_view("wrong way"));
            break;
        case 1:
            chain.writable(11);
            break;
        case 2:
            chain.at(rig.ram.allocate(16), 0, kit::desc_write);
            break;
        default:
            chain.readable(std::string_view("header")).writable(2000);
            break;
        }
        chain.add();
        rig.driver.kick(0);
        CHECK(kit::eventually([&] { return rig.needs_reset(); }));
        rig.restart();
        const auto buffer = rig.give_buffer();
        REQUIRE(rig.host->put(frame_to_guest(60)));
        CHECK(NetRig::frame_in(buffer, rig.used(rig.rx()).length).bytes == frame_to_guest(60));
    }
}

TEST_CASE("frames that the driver did not negotiate never reach it") {
    NetRig rig;
    const auto buffer = rig.give_buffer(70000);
    REQUIRE(rig.host->put(frame_to_guest(1000), segment));
    Header header{};
    header.flags = header_needs_csum;
    REQUIRE(rig.host->put(frame_to_guest(1000), header));
    REQUIRE(kit::eventually([&] { return rig.device.dropped(Drop::not_allowed) == 2; }));
    // Beyond the MTU (virtio 1.2, 5.1.4.1).
    REQUIRE(rig.host->put(frame_to_guest(1523)));
    REQUIRE(kit::eventually([&] { return rig.device.dropped(Drop::too_long) == 1; }));
    REQUIRE(rig.host->put(frame_to_guest(30000)));
    REQUIRE(kit::eventually([&] { return rig.device.dropped(Drop::too_long) == 2; }));
    // The host says that a checksum is right: that is no flag for this driver.
    header.flags = header_data_valid;
    REQUIRE(rig.host->put(frame_to_guest(1522), header));
    const auto got = NetRig::frame_in(buffer, rig.used(rig.rx()).length);
    CHECK(got.bytes == frame_to_guest(1522));
    CHECK(got.header.flags == 0);
}

TEST_CASE("what came before the driver is not for it") {
    NetRig rig;
    rig.driver.reset();
    for (unsigned i = 0; i < 20; ++i) {
        REQUIRE(rig.host->put(frame_to_guest(100, i)));
    }
    rig.restart();
    const auto buffer = rig.give_buffer();
    REQUIRE(rig.host->put(frame_to_guest(100, 99)));
    CHECK(NetRig::frame_in(buffer, rig.used(rig.rx()).length).bytes == frame_to_guest(100, 99));
}

TEST_CASE("a driver resets the device while buffers are kept ready and a frame is held") {
    NetRig rig(NetRig::full);
    for (int i = 0; i < 3; ++i) {
        rig.give_buffer(1000);
    }
    REQUIRE(rig.host->put(frame_to_guest(20000), segment));
    rig.settle();
    rig.restart();
    const auto buffer = rig.give_buffer();
    REQUIRE(rig.host->put(frame_to_guest(60)));
    CHECK(NetRig::frame_in(buffer, rig.used(rig.rx()).length).bytes == frame_to_guest(60));
}

TEST_CASE("a limit holds back what the guest receives, and loses none of it") {
    const Throttle::Settings limit{.bytes = {.rate = 20000, .burst = 1}, .operations = {}};
    NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(), {}, limit);
    std::vector<ChainBuilder> buffers;
    for (int i = 0; i < 21; ++i) {
        buffers.push_back(rig.give_buffer(2048, 0, false));
    }
    const auto begin = std::chrono::steady_clock::now();
    rig.driver.kick(0);
    for (unsigned i = 0; i < 21; ++i) {
        REQUIRE(rig.host->put(frame_to_guest(100, i)));
    }
    for (unsigned i = 0; i < 21; ++i) {
        const auto used = rig.used(rig.rx());
        CHECK(NetRig::frame_in(buffers.at(i), used.length).bytes == frame_to_guest(100, i));
    }
    CHECK(std::chrono::steady_clock::now() - begin >= 95ms);
}

TEST_CASE("the guest hears that the link went down and came back") {
    NetRig rig(NetRig::full);
    CHECK(rig.driver.config<std::uint16_t>(6) == status_link_up);
    const auto generation = rig.driver.get(virtio::Register::config_generation);
    rig.host->set_link(false);
    REQUIRE(kit::eventually([&] { return rig.driver.config<std::uint16_t>(6) == 0; }));
    CHECK(rig.driver.get(virtio::Register::config_generation) != generation);
    CHECK(kit::eventually([&] { return (rig.driver.acknowledge() & virtio::interrupt_config_change) != 0; }));
    rig.host->set_link(true);
    REQUIRE(kit::eventually([&] { return rig.driver.config<std::uint16_t>(6) == status_link_up; }));
    CHECK(kit::eventually([&] { return (rig.driver.acknowledge() & virtio::interrupt_config_change) != 0; }));
}

TEST_CASE("a cable that is pulled out loses frames of both directions, and is plugged in again") {
    NetRig rig(NetRig::full);
    auto buffer = rig.give_buffer();
    rig.device.set_plugged(false);
    CHECK_FALSE(rig.device.is_plugged());
    CHECK_FALSE(rig.device.is_link_up());
    CHECK(rig.driver.config<std::uint16_t>(6) == 0);
    // What the driver sends comes back to it and goes nowhere.
    const auto lost = make_frame(host_mac, guest_mac, 60, 1);
    for (unsigned i = 0; i < 100; ++i) {
        rig.transmit(rig.frame_chain(lost));
    }
    CHECK_FALSE(rig.host->take().has_value());
    REQUIRE(rig.host->put(frame_to_guest(100, 1)));
    rig.settle();
    CHECK_FALSE(rig.rx().take_used().has_value());
    // The host's end goes down and up meanwhile; the driver hears nothing of it.
    rig.host->set_link(false);
    rig.host->set_link(true);
    rig.settle();
    CHECK(rig.driver.config<std::uint16_t>(6) == 0);

    rig.device.set_plugged(true);
    CHECK(rig.driver.config<std::uint16_t>(6) == status_link_up);
    REQUIRE(rig.host->put(frame_to_guest(100, 2)));
    const auto used = rig.used(rig.rx());
    CHECK(NetRig::frame_in(buffer, used.length).bytes == frame_to_guest(100, 2));
    const auto sent = make_frame(host_mac, guest_mac, 60, 3);
    rig.transmit(rig.frame_chain(sent));
    const auto arrived = rig.at_host();
    REQUIRE(arrived);
    CHECK(arrived->bytes == sent);
}

TEST_CASE("a cable that is plugged in once more loses nothing") {
    NetRig rig;
    REQUIRE(rig.host->put(frame_to_guest(100, 1)));
    rig.device.set_plugged(true);
    const auto buffer = rig.give_buffer();
    const auto used = rig.used(rig.rx());
    CHECK(NetRig::frame_in(buffer, used.length).bytes == frame_to_guest(100, 1));
}

TEST_CASE("a host's end that goes away is left alone, without using any time") {
    NetRig rig;
    rig.give_buffer();
    rig.host->hang_up();
    rig.settle();
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(200ms);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
    CHECK_FALSE(rig.needs_reset());
}

} // namespace net_receive_test
