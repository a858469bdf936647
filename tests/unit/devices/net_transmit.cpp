// SPDX-License-Identifier: Apache-2.0
#include "net_rig.hpp"

namespace net_transmit_test {

using namespace hvisor;
using namespace hvisor::devices::net;
using namespace std::chrono_literals;
using kit::ChainBuilder;

namespace {

std::vector<std::byte> frame_of(std::size_t size, unsigned number = 1) {
    return make_frame(host_mac, guest_mac, size, number);
}

} // namespace

TEST_CASE("a net device says what it is") {
    const NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(2, 9000));
    CHECK(rig.driver.get(virtio::Register::device_id) == 1);
    for (std::size_t i = 0; i < guest_mac.size(); ++i) {
        CHECK(rig.driver.config<std::uint8_t>(i) == guest_mac.at(i));
    }
    CHECK(rig.driver.config<std::uint16_t>(6) == status_link_up);
    CHECK(rig.driver.config<std::uint16_t>(8) == 2);
    CHECK(rig.driver.config<std::uint16_t>(10) == 9000);
    CHECK(rig.driver.config<std::uint32_t>(12) == unknown_speed);
    CHECK(rig.driver.config<std::uint8_t>(16) == unknown_duplex);
    CHECK(rig.driver.offered().has(f_mq));
    CHECK(rig.driver.offered().has(f_host_uso));
}

TEST_CASE("what the host cannot do is not offered") {
    const NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(1, 1500, Offloads{}));
    CHECK_FALSE(rig.driver.offered().has(f_csum));
    CHECK_FALSE(rig.driver.offered().has(f_guest_tso4));
    CHECK_FALSE(rig.driver.offered().has(f_ctrl_guest_offloads));
    CHECK_FALSE(rig.driver.offered().has(f_mq));
}

TEST_CASE("a frame is sent, however its chain is cut") {
    NetRig rig;
    const auto frame = frame_of(1514);
    const Header header{};
    std::vector<std::byte> whole(sizeof header);
    whole.insert(whole.end(), frame.begin(), frame.end());
    const auto cut_at = [&](std::vector<std::size_t> cuts, bool indirect) {
        INFO("first cut at " << cuts.front());
        ChainBuilder chain(rig.tx());
        std::size_t from = 0;
        cuts.push_back(whole.size());
        for (const auto to : cuts) {
            chain.readable(std::span(whole).subspan(from, to - from));
            from = to;
        }
        if (indirect) {
            chain.indirect();
        }
        rig.transmit(chain);
        const auto got = rig.at_host();
        REQUIRE(got);
        CHECK(got->bytes == frame);
    };
    cut_at({12}, false);               // header and frame
    cut_at({whole.size() - 1}, false); // all in one, and a last byte
    cut_at({1, 2, 5, 11, 12, 13, 25, 26, 27, 500}, false);
    cut_at({12, 26}, false);
    cut_at({26}, false);
    cut_at({20}, false);
    ChainBuilder one(rig.tx());
    one.readable(whole);
    rig.transmit(one);
    CHECK(rig.at_host()->bytes == frame);

    rig.features = NetRig::basic | virtio::FeatureSet{virtio::FeatureBit::ring_indirect_desc};
    rig.restart();
    cut_at({12}, true);
    cut_at({5, 30, 600}, true);
}

TEST_CASE("descriptors of length 0 in a frame's chain change nothing") {
    NetRig rig;
    const auto frame = frame_of(60);
    ChainBuilder chain(rig.tx());
    const auto anywhere = rig.ram.allocate(16);
    chain.at(anywhere, 0, 0).readable_value(Header{}).at(anywhere, 0, 0).readable(frame).at(anywhere, 0, 0);
    rig.transmit(chain);
    CHECK(rig.at_host()->bytes == frame);
}

TEST_CASE("frames that are wrong are dropped, counted, and harm nothing else") {
    NetRig rig;
    const auto frame = frame_of(60);
    std::uint64_t errors = 0;
    const auto expect = [&](ChainBuilder chain, Drop why) {
        INFO(to_string(why));
        const auto before = rig.device.dropped(why);
        rig.transmit(std::move(chain));
        CHECK(rig.device.dropped(why) == before + 1);
        CHECK(rig.device.queue_state(1).metrics.errors.get() == ++errors);
        CHECK_FALSE(rig.host->take());
        CHECK_FALSE(rig.needs_reset());
    };
    expect(ChainBuilder(rig.tx()).readable(std::string_view("x")), Drop::too_short);
    expect(ChainBuilder(rig.tx()).readable_value(Header{}), Drop::too_short);
    expect(ChainBuilder(rig.tx()).at(rig.ram.allocate(16), 0, 0), Drop::too_short);
    expect(rig.frame_chain(std::span(frame).first(13)), Drop::too_short);
    const auto big = rig.ram.allocate(1 << 20);
    expect(ChainBuilder(rig.tx()).readable_value(Header{}).at(big, 1 << 20, 0), Drop::too_long);
    expect(ChainBuilder(rig.tx()).readable_value(Header{}).at(big, max_segment + 1, 0), Drop::too_long);
    expect(rig.frame_chain(frame).writable(16), Drop::writable);
    expect(ChainBuilder(rig.tx()).writable(100), Drop::writable);
    Header header{};
    header.flags = header_needs_csum;
    expect(rig.frame_chain(frame, header), Drop::checksum);
    header = {};
    header.gso_type = gso_tcpv4;
    expect(rig.frame_chain(frame, header), Drop::segmentation);
    header.gso_type = 0x42;
    expect(rig.frame_chain(frame, header), Drop::segmentation);

    rig.transmit(rig.frame_chain(frame));
    CHECK(rig.at_host()->bytes == frame);
    CHECK(rig.device.queue_state(1).metrics.bytes.get() == frame.size());
}

TEST_CASE("frames a little smaller and larger than those that are copied whole") {
    NetRig rig;
    for (std::size_t size = 2030; size < 2045; ++size) {
        const auto frame = frame_of(size);
        rig.transmit(rig.frame_chain(frame));
        CHECK(rig.at_host()->bytes == frame);
    }
    CHECK(rig.device.queue_state(1).metrics.errors.get() == 0);
}

TEST_CASE("a large frame in more pieces than a system call takes is dropped") {
    NetRig rig(NetRig::basic | virtio::FeatureSet{virtio::FeatureBit::ring_indirect_desc});
    const auto at = rig.ram.allocate(2048);
    const auto frame_in_pieces = [&](std::uint32_t first, unsigned count, std::uint32_t each) {
        ChainBuilder chain(rig.tx());
        chain.at(at, first, 0);
        for (unsigned i = 0; i < count; ++i) {
            chain.at(at, each, 0);
        }
        chain.indirect();
        rig.transmit(chain);
    };
    frame_in_pieces(26, 1023, 2); // 1024 pieces with the frame's beginning: the most that goes
    CHECK(rig.at_host()->bytes.size() == 14 + 1023 * 2);
    frame_in_pieces(27, 1023, 2);
    CHECK(rig.device.dropped(Drop::pieces) == 1);
    frame_in_pieces(27, 1023, 1); // a small one is copied together
    CHECK(rig.at_host()->bytes.size() == 15 + 1023);
    CHECK(rig.device.dropped(Drop::pieces) == 1);
}

TEST_CASE("a segment reaches the host with the header that was judged") {
    NetRig rig(NetRig::full);
    const auto frame = frame_of(60000);
    const Header header{.flags = 0xff,
                        .gso_type = gso_tcpv4 | gso_ecn,
                        .hdr_len = 54,
                        .gso_size = 1448,
                        .csum_start = 34,
                        .csum_offset = 16,
                        .num_buffers = 77};
    rig.transmit(rig.frame_chain(frame, header));
    const auto got = rig.at_host();
    REQUIRE(got);
    CHECK(got->bytes == frame);
    CHECK(got->header.flags == header_needs_csum);
    CHECK(got->header.gso_type == header.gso_type);
    CHECK(got->header.gso_size == 1448);
    CHECK(got->header.csum_start == 34);
    CHECK(got->header.num_buffers == 0);
}

TEST_CASE("what the host does not take now waits in the guest's queue, in order, and none is lost") {
    NetRig rig;
    constexpr unsigned count = 2000;
    constexpr std::size_t size = 8000;
    std::vector<std::uint64_t> slots;
    for (int i = 0; i < 32; ++i) {
        slots.push_back(rig.ram.allocate(sizeof(Header) + size));
    }
    unsigned sent = 0;
    unsigned back = 0;
    unsigned got = 0;
    const auto fill = [&] {
        while (sent < count && sent - back < slots.size()) {
            const auto at = slots[sent % slots.size()];
            rig.ram.write(at + sizeof(Header), frame_of(size, sent));
            ChainBuilder(rig.tx()).at(at, sizeof(Header) + size, 0).add();
            ++sent;
        }
        if (rig.tx().needs_kick()) {
            rig.driver.kick(1);
        }
    };
    fill();
    // The socket holds some of them; the others stay where they are.
    REQUIRE(kit::eventually([&] { return rig.tx().has_used(); }));
    rig.settle();
    std::this_thread::sleep_for(10ms);
    while (rig.tx().take_used()) {
        ++back;
    }
    CHECK(back < slots.size());
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (got < count && std::chrono::steady_clock::now() < deadline) {
        while (rig.tx().take_used()) {
            ++back;
        }
        fill();
        if (const auto frame = rig.host->take()) {
            REQUIRE(frame->bytes == frame_of(size, got));
            ++got;
        }
    }
    CHECK(got == count);
    CHECK(rig.device.queue_state(1).metrics.errors.get() == 0);
}

TEST_CASE("D12: a host that takes nothing costs no time") {
    NetRig rig;
    for (int i = 0; i < 30; ++i) {
        rig.frame_chain(frame_of(8000)).add();
    }
    rig.driver.kick(1);
    rig.settle();
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    std::this_thread::sleep_for(200ms);
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
}

TEST_CASE("a driver resets the device while the host takes nothing") {
    NetRig rig;
    for (int i = 0; i < 30; ++i) {
        rig.frame_chain(frame_of(8000)).add();
    }
    rig.driver.kick(1);
    rig.settle();
    rig.restart();
    while (rig.host->take()) {
    }
    const auto frame = frame_of(100, 9);
    rig.transmit(rig.frame_chain(frame));
    CHECK(rig.at_host()->bytes == frame);
}

TEST_CASE("frames with a foreign source address are sent, and counted") {
    NetRig rig;
    rig.transmit(rig.frame_chain(frame_of(60)));
    CHECK(rig.device.spoofed() == 0);
    rig.transmit(rig.frame_chain(make_frame(host_mac, host_mac, 60, 1)));
    CHECK(rig.device.spoofed() == 1);
    CHECK(rig.at_host());
    CHECK(rig.at_host());
}

TEST_CASE("a limit holds back what the guest sends, and loses none of it") {
    const Throttle::Settings limit{.bytes = {}, .operations = {.rate = 200, .burst = 1}};
    NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(), limit);
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < 21; ++i) {
        rig.frame_chain(frame_of(60, i)).add();
    }
    rig.driver.kick(1);
    for (unsigned i = 0; i < 21; ++i) {
        const auto got = rig.at_host();
        REQUIRE(got);
        CHECK(got->bytes == frame_of(60, i));
    }
    CHECK(std::chrono::steady_clock::now() - begin >= 95ms);
}

TEST_CASE("a host's end that is gone drops frames, and the device goes on") {
    NetRig rig;
    rig.host->hang_up();
    rig.transmit(rig.frame_chain(frame_of(60)));
    rig.transmit(rig.frame_chain(frame_of(60)));
    CHECK(rig.device.dropped(Drop::refused) == 2);
    CHECK_FALSE(rig.needs_reset());
    rig.restart();
    rig.transmit(rig.frame_chain(frame_of(60)));
    CHECK(rig.device.dropped(Drop::refused) == 3);
}

TEST_CASE("after quiesce no frame is sent, and the host's end is let go") {
    NetRig rig;
    rig.device.quiesce();
    rig.frame_chain(frame_of(60)).add();
    rig.driver.kick(1);
    rig.settle();
    CHECK_FALSE(rig.host->take());
    const std::weak_ptr<FakeBackend> cable = rig.host;
    rig.host.reset();
    CHECK_FALSE(cable.expired());
    rig.device.disconnect();
    CHECK(cable.expired());
    CHECK(rig.device.backend_name() == "tap0");
    rig.device.disconnect();
}

} // namespace net_transmit_test
