// SPDX-License-Identifier: Apache-2.0
#include "devices/net/backend_tap.hpp"
#include "kit/sanitizer.hpp"
#include "net_namespace.hpp"
#include "net_rig.hpp"

#include <cstddef>
#include <iterator>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stop_token>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>

namespace net_transmit_many_test {

using namespace hvisor;
using namespace hvisor::devices::net;
using kit::ChainBuilder;

namespace {

// Frames that are small enough to be copied, and so are sent many at once.
constexpr std::size_t size = 1900;

std::vector<std::byte> frame_of(unsigned number) {
    return make_frame(host_mac, guest_mac, size, number);
}

/// Adds frames with these numbers to a queue, then tells the device of all of them at once.
void add_frames(NetRig& rig, unsigned from, unsigned to, std::size_t pair = 0) {
    for (auto number = from; number < to; ++number) {
        ChainBuilder(rig.tx(pair)).readable_value(Header{}).readable(frame_of(number)).add();
    }
    rig.driver.kick(static_cast<std::uint32_t>(transmit_queue(pair)));
}

/// Whether the host gets the frames with these numbers, in this order, and no other.
bool host_gets(NetRig& rig, unsigned from, unsigned to, std::size_t pair = 0) {
    for (auto number = from; number < to; ++number) {
        const auto got = rig.at_host(pair);
        if (!got || got->bytes != frame_of(number)) {
            return false;
        }
    }
    rig.settle();
    return !rig.host->take(pair);
}

std::size_t take_all(kit::DriverQueue& queue) {
    std::size_t count = 0;
    while (queue.take_used()) {
        ++count;
    }
    return count;
}

std::size_t take_all_used(NetRig& rig, std::size_t pair = 0) {
    return take_all(rig.tx(pair));
}

/// Whether so many chains come back and no more. A device that has worked for long
/// lets others have their turn first.
bool gives_back(NetRig& rig, std::size_t count, std::size_t pair = 0) {
    std::size_t taken = 0;
    const bool came = kit::eventually([&] { return (taken += take_all_used(rig, pair)) >= count; });
    rig.settle();
    return came && taken + take_all_used(rig, pair) == count;
}

constexpr virtio::FeatureSet packed = NetRig::basic | virtio::FeatureSet{virtio::FeatureBit::ring_packed};
constexpr virtio::FeatureSet in_order = NetRig::basic | virtio::FeatureSet{virtio::FeatureBit::in_order};

/// What the sockets of one cable hold is some 50 of these frames.
constexpr std::uint16_t long_queue = 256;

} // namespace

TEST_CASE("many frames at once arrive whole and in order, and all come back") {
    for (const auto features : {NetRig::basic, packed, in_order, packed | in_order}) {
        NetRig rig(features, std::make_shared<FakeBackend>(), {}, {}, long_queue);
        add_frames(rig, 0, 40);
        CHECK(host_gets(rig, 0, 40));
        CHECK(gives_back(rig, 40));
        CHECK(rig.device.queue_state(1).metrics.requests.get() == 40);
        CHECK(rig.device.queue_state(1).metrics.bytes.get() == 40 * size);
    }
}

TEST_CASE("no frame passes one that the host did not take, and each is sent once") {
    for (const auto features : {NetRig::basic, packed, in_order, packed | in_order}) {
        NetRig rig(features, std::make_shared<FakeBackend>(), {}, {}, long_queue);
        constexpr unsigned count = 120;
        add_frames(rig, 0, count);
        rig.settle();
        // What does not fit into the socket waits, wherever in a batch that began.
        const auto first = take_all_used(rig);
        CHECK(first > 0);
        CHECK(first < count);
        CHECK(host_gets(rig, 0, count));
        CHECK(gives_back(rig, count - first));
        CHECK(rig.device.queue_state(1).metrics.errors.get() == 0);
        CHECK(rig.device.queue_state(1).metrics.bytes.get() == count * size);
    }
}

TEST_CASE("large frames and wrong ones keep their place among small ones") {
    NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(), {}, {}, long_queue);
    std::vector<std::vector<std::byte>> good;
    for (unsigned number = 0; number < 60; ++number) {
        const auto bytes = make_frame(host_mac, guest_mac, number % 7 == 3 ? 3000 : 60 + number, number);
        Header header{};
        if (number % 5 == 2) {
            header.flags = header_needs_csum; // not negotiated
        } else {
            good.push_back(bytes);
        }
        ChainBuilder(rig.tx()).readable_value(header).readable(bytes).add();
    }
    rig.driver.kick(1);
    for (const auto& bytes : good) {
        CHECK(rig.at_host()->bytes == bytes);
    }
    rig.settle();
    CHECK_FALSE(rig.host->take());
    CHECK(gives_back(rig, 60));
    CHECK(rig.device.dropped(Drop::checksum) == 12);
    CHECK(rig.device.queue_state(1).metrics.errors.get() == 12);
}

TEST_CASE("each pair of queues sends its own frames") {
    NetRig rig(NetRig::full | virtio::FeatureSet{f_mq}, std::make_shared<FakeBackend>(3));
    for (std::size_t pair = 0; pair < 3; ++pair) {
        const auto first = static_cast<unsigned>(100 * pair);
        add_frames(rig, first, first + 30, pair);
    }
    for (std::size_t pair = 0; pair < 3; ++pair) {
        const auto first = static_cast<unsigned>(100 * pair);
        CHECK(host_gets(rig, first, first + 30, pair));
        CHECK(gives_back(rig, 30, pair));
    }
}

TEST_CASE("a driver resets the device while many frames wait, and none of them comes later") {
    for (const auto features : {NetRig::basic, packed}) {
        NetRig rig(features, std::make_shared<FakeBackend>(), {}, {}, long_queue);
        add_frames(rig, 0, 120);
        rig.settle();
        rig.restart();
        while (rig.host->take()) {
        }
        rig.settle();
        CHECK_FALSE(rig.host->take());
        add_frames(rig, 500, 540);
        CHECK(host_gets(rig, 500, 540));
        CHECK(gives_back(rig, 40));
    }
}

TEST_CASE("many frames to a host's end that is gone are dropped, each once") {
    NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(), {}, {}, long_queue);
    rig.host->hang_up();
    add_frames(rig, 0, 100);
    rig.settle();
    CHECK(gives_back(rig, 100));
    CHECK(rig.device.dropped(Drop::refused) == 100);
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("a guest that changes frames while they are sent sends none that was not judged") {
    if (kit::has_thread_sanitizer) {
        SKIP("a race by intent");
    }
    NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(), {}, {}, long_queue);
    const auto at = rig.ram.allocate(sizeof(Header) + 60);
    rig.ram.write(at + sizeof(Header), make_frame(host_mac, guest_mac, 60, 1));
    auto* flags = reinterpret_cast<std::uint8_t*>(rig.ram.at(at));
    const std::jthread guest([&](const std::stop_token& stop) {
        for (std::uint8_t value = 0; !stop.stop_requested(); value ^= header_needs_csum) {
            store_relaxed(*flags, value);
        }
    });
    unsigned judged = 0;
    for (unsigned round = 0; round < 300; ++round) {
        for (int i = 0; i < 16; ++i) {
            ChainBuilder(rig.tx()).at(at, sizeof(Header) + 60, 0).add();
        }
        rig.driver.kick(1);
        for (std::size_t back = 0; back < 16;) {
            while (const auto frame = rig.host->take()) {
                CHECK(frame->header.flags == 0);
                ++judged;
            }
            back += take_all_used(rig);
        }
    }
    while (const auto frame = rig.host->take()) {
        CHECK(frame->header.flags == 0);
        ++judged;
    }
    CHECK(judged + rig.device.dropped(Drop::checksum) == 300 * 16);
    CHECK(judged != 0);
    CHECK(rig.device.dropped(Drop::checksum) != 0);
}

TEST_CASE("where the kernel forbids io_uring, frames are sent all the same") {
    if (kit::has_thread_sanitizer) {
        SKIP("TSan allows no threads after a fork");
    }
    const auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // For all threads that this one starts.
        const sock_filter program[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog filter{.len = std::size(program), .filter = const_cast<sock_filter*>(program)};
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0 ||
            Uring::create(1, 1, {}) != nullptr) {
            ::_exit(2);
        }
        NetRig rig(NetRig::basic, std::make_shared<FakeBackend>(), {}, {}, long_queue);
        add_frames(rig, 0, 120);
        ::_exit(host_gets(rig, 0, 120) && take_all_used(rig) == 120 ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("many frames pass a real tap in order, and its next user can have it at once") {
    const Namespace network;
    const auto open = [] {
        auto tap =
            TapBackend::open({.name = "tap0", .bridge = "", .mtu = 0, .pairs = 1, .guest_mac = guest_mac});
        REQUIRE(tap);
        return std::shared_ptr<Backend>(std::move(*tap));
    };
    for (int round = 0; round < 3; ++round) {
        kit::DeviceRig<NetDevice> rig(open(), NetSettings{.mac = guest_mac, .transmit = {}, .receive = {}});
        kit::SplitQueue rx(rig.ram, 64, true);
        kit::SplitQueue tx(rig.ram, long_queue, true);
        rig.bring_up({&rx, &tx}, NetRig::basic | virtio::FeatureSet{virtio::FeatureBit::ring_event_idx});
        const PacketSocket host("tap0");
        const auto exchange = [&](unsigned from, bool is_up) {
            for (auto number = from; number < from + 60; ++number) {
                ChainBuilder(tx)
                    .readable_value(Header{})
                    .readable(make_frame(host_mac, guest_mac, 1514, number))
                    .add();
            }
            rig.driver.kick(1);
            std::size_t back = 0;
            REQUIRE(kit::eventually([&] {
                back += take_all(tx);
                return back == 60;
            }));
            for (auto number = from; number < (is_up ? from + 60 : from); ++number) {
                CHECK(host.receive() == make_frame(host_mac, guest_mac, 1514, number));
            }
            CHECK(host.receive().empty());
        };
        exchange(0, true);
        network.set_up("tap0", false);
        exchange(100, false);
        CHECK(rig.device.dropped(Drop::refused) == 60);
        network.set_up("tap0", true);
        exchange(200, true);
        rig.device.quiesce();
        rig.device.disconnect();
    }
}

} // namespace net_transmit_many_test
