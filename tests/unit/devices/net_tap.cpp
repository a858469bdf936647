// SPDX-License-Identifier: Apache-2.0
#include "devices/net/backend_tap.hpp"
#include "kit/wait.hpp"
#include "net_frames.hpp"
#include "net_namespace.hpp"

#include <catch2/catch_test_macros.hpp>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <sys/uio.h>

namespace net_tap_test {

using namespace hvisor;
using namespace hvisor::devices::net;

namespace {

std::unique_ptr<TapBackend> open_tap(const TapSettings& settings) {
    auto tap = TapBackend::open(settings);
    INFO((tap ? "" : tap.error().error.message));
    REQUIRE(tap);
    return std::move(*tap);
}

TapFault refusal(const TapSettings& settings) {
    auto tap = TapBackend::open(settings);
    REQUIRE_FALSE(tap);
    return tap.error();
}

TapSettings named(const std::string& name) {
    return {.name = name, .bridge = "", .mtu = 0, .pairs = 1, .guest_mac = guest_mac};
}

/// A tap that somebody else made to stay.
UniqueFd make_persistent(const std::string& name, unsigned flags = 0) {
    UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    auto request = Namespace::named(name);
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | flags);
    REQUIRE(::ioctl(fd.get(), TUNSETIFF, &request) == 0);
    REQUIRE(::ioctl(fd.get(), TUNSETPERSIST, 1) == 0);
    return fd;
}

/// Whether the host's stack may leave a checksum of what it sends there to others.
bool host_leaves_checksums(const std::string& name) {
    ethtool_value value{.cmd = ETHTOOL_GTXCSUM, .data = 0};
    auto request = Namespace::named(name);
    request.ifr_data = reinterpret_cast<char*>(&value);
    const UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    REQUIRE(::ioctl(socket.get(), SIOCETHTOOL, &request) == 0);
    return value.data != 0;
}

std::size_t write_frame(int fd, std::span<const std::byte> frame) {
    Header header{};
    const iovec pieces[] = {{.iov_base = &header, .iov_len = sizeof header},
                            {.iov_base = const_cast<std::byte*>(frame.data()), .iov_len = frame.size()}};
    const auto count = ::writev(fd, pieces, 2);
    return count < 0 ? 0 : static_cast<std::size_t>(count) - sizeof header;
}

/// The next frame of a test; the host's IPv6 sends some of its own.
std::vector<std::byte> read_frame(int fd) {
    std::vector<std::byte> bytes(70000);
    do {
        bytes.resize(70000);
        const auto count = ::read(fd, bytes.data(), bytes.size());
        bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    } while (!bytes.empty() && !is_test_frame(std::span(bytes).subspan(sizeof(Header))));
    return bytes;
}

} // namespace

TEST_CASE("a tap that is not there is made, set up, and goes with the device") {
    const Namespace network;
    {
        const auto tap = open_tap(named("tap0"));
        const auto link = Namespace::link("tap0");
        CHECK((link.flags & IFF_UP) != 0);
        CHECK(link.is_tap);
        CHECK(tap->mtu() == 1500);
        CHECK(tap->name() == "tap0");
        CHECK(tap->is_link_up());
        CHECK(tap->capabilities().csum);
        CHECK(tap->capabilities().tso4);
        // Higher than what a bridge would take for its own.
        CHECK(network.mac("tap0")[0] == 0xfe);
    }
    CHECK_FALSE(Namespace::exists("tap0"));
}

TEST_CASE("a tap that was there stays when the device goes") {
    const Namespace network;
    make_persistent("tap7").reset();
    const auto mac = network.mac("tap7");
    {
        const auto tap = open_tap(named("tap7"));
        CHECK((Namespace::link("tap7").flags & IFF_UP) != 0);
        CHECK(network.mac("tap7") == mac);
    }
    CHECK(Namespace::exists("tap7"));
}

TEST_CASE("frames pass a tap both ways behind a header of 12 bytes") {
    const Namespace network;
    const auto tap = open_tap(named("tap0"));
    const PacketSocket host("tap0");
    const auto out = make_frame(host_mac, guest_mac, 60, 1);
    REQUIRE(write_frame(tap->fd(0), out) == out.size());
    CHECK(host.receive() == out);
    const auto in = make_frame(guest_mac, host_mac, 300, 2);
    REQUIRE(host.send(in));
    std::vector<std::byte> got;
    REQUIRE(kit::eventually([&] { return !(got = read_frame(tap->fd(0))).empty(); }));
    REQUIRE(got.size() == sizeof(Header) + in.size());
    CHECK(std::ranges::equal(std::span(got).subspan(sizeof(Header)), in));
    CHECK(read_frame(tap->fd(0)).empty());
}

TEST_CASE("a tap becomes a port of the bridge that is named") {
    const Namespace network;
    network.add_bridge("br0");
    auto settings = named("tap0");
    settings.bridge = "br0";
    {
        const auto tap = open_tap(settings);
        CHECK(Namespace::link("tap0").master == Namespace::link("br0").index);
        const PacketSocket host("br0");
        const auto frame = make_frame(broadcast_mac, guest_mac, 100, 3);
        REQUIRE(write_frame(tap->fd(0), frame) == frame.size());
        REQUIRE(kit::eventually([&] { return host.receive() == frame; }));
    }
    // One that is a port of it already is left so.
    make_persistent("tap1").reset();
    settings.name = "tap1";
    open_tap(settings).reset();
    CHECK(Namespace::link("tap1").master == Namespace::link("br0").index);
    open_tap(settings).reset();
    CHECK(Namespace::link("tap1").master == Namespace::link("br0").index);
}

TEST_CASE("the MTU that is configured is set, else the tap's own counts") {
    const Namespace network;
    auto settings = named("tap0");
    settings.mtu = 9000;
    CHECK(open_tap(settings)->mtu() == 9000);
    settings.mtu = 65521;
    CHECK(open_tap(settings)->mtu() == 65521);
}

TEST_CASE("what cannot be done with a tap is said, with its key") {
    const Namespace network;
    network.add_bridge("br0");
    network.add_bridge("br1");
    const auto check = [](const TapSettings& settings, std::string_view key, ErrorCode code,
                          std::string_view message) {
        const auto fault = refusal(settings);
        CHECK(fault.key == key);
        CHECK(fault.error.code == code);
        CHECK(fault.error.message == message);
    };
    auto settings = named("br0");
    check(settings, "tap", ErrorCode::invalid_config,
          "br0 is no tap but a network interface of another kind; expected the name of a tap, or a new name "
          "for one to be made");
    settings = named("tap0");
    settings.bridge = "br9";
    check(settings, "bridge", ErrorCode::not_found,
          "there is no bridge br9: No such device; make it first, for example with systemd-networkd or "
          "NetworkManager");
    settings.bridge = "lo";
    check(settings, "bridge", ErrorCode::invalid_config, "lo is no bridge; expected the name of one");
    CHECK_FALSE(Namespace::exists("tap0"));

    settings.bridge = "br0";
    const auto held = open_tap(settings);
    settings.bridge = "";
    check(settings, "tap", ErrorCode::resource_busy,
          "tap0 is in use by another device or program; expected one of its own");

    make_persistent("tap1").reset();
    settings.name = "tap1";
    settings.bridge = "br0";
    open_tap(settings).reset();
    settings.bridge = "br1";
    check(settings, "bridge", ErrorCode::resource_busy,
          "tap1 is a port of br0 already; expected br1 there, or the tap taken out of it");
    settings.pairs = 2;
    check(settings, "queue_pairs", ErrorCode::invalid_config,
          "the tap tap1 was made for a single queue; expected 1, or a tap made with \"multi_queue\"");

    settings = named("tap2");
    settings.mtu = 65535;
    check(settings, "mtu", ErrorCode::io_error, "cannot set the MTU 65535 of tap2: Invalid argument");
}

TEST_CASE("a tap made for several queues serves a device with one, and one with several") {
    const Namespace network;
    make_persistent("tap0", IFF_MULTI_QUEUE).reset();
    CHECK(open_tap(named("tap0"))->pairs() == 1);
    auto settings = named("tap0");
    settings.pairs = 3;
    CHECK(open_tap(settings)->pairs() == 3);
    settings.name = "tap1";
    CHECK(open_tap(settings)->pairs() == 3);
}

TEST_CASE("only the pairs that the driver uses get frames") {
    const Namespace network;
    auto settings = named("tap0");
    settings.pairs = 4;
    const auto tap = open_tap(settings);
    const PacketSocket host("tap0");
    const auto send_many = [&] {
        for (unsigned i = 0; i < 64; ++i) {
            REQUIRE(host.send(make_frame(guest_mac, host_mac, 100, i)));
        }
    };
    const auto count = [&](std::size_t pair) {
        unsigned frames = 0;
        while (!read_frame(tap->fd(pair)).empty()) {
            ++frames;
        }
        return frames;
    };
    const auto all = tap->capabilities();
    for (const std::uint16_t pairs :
         {std::uint16_t{1}, std::uint16_t{4}, std::uint16_t{2}, std::uint16_t{1}}) {
        REQUIRE(tap->configure(all, pairs));
        send_many();
        unsigned total = 0;
        for (std::uint16_t pair = 0; pair < 4; ++pair) {
            const auto frames = count(pair);
            CHECK((pair < pairs || frames == 0));
            total += frames;
        }
        CHECK(total == 64);
    }
}

TEST_CASE("the host leaves to a guest only what its driver takes") {
    const Namespace network;
    const auto tap = open_tap(named("tap0"));
    CHECK(host_leaves_checksums("tap0"));
    REQUIRE(tap->configure(Offloads{}, 1));
    CHECK_FALSE(host_leaves_checksums("tap0"));
    Offloads some{};
    some.csum = true;
    REQUIRE(tap->configure(some, 1));
    CHECK(host_leaves_checksums("tap0"));
}

TEST_CASE("the link follows the tap and its bridge") {
    const Namespace network;
    network.add_bridge("br0");
    auto settings = named("tap0");
    settings.bridge = "br0";
    const auto tap = open_tap(settings);
    const auto becomes = [&](bool up) {
        return kit::eventually([&] {
            tap->update_link();
            return tap->is_link_up() == up;
        });
    };
    CHECK(becomes(true));
    network.set_up("tap0", false);
    CHECK(becomes(false));
    network.set_up("tap0", true);
    CHECK(becomes(true));
    network.set_up("br0", false);
    CHECK(becomes(false));
    network.set_up("br0", true);
    CHECK(becomes(true));
    // Out of the bridge, whose state does not matter any more.
    network.set_up("br0", false);
    CHECK(becomes(false));
    network.delete_bridge("br0");
    CHECK(becomes(true));
    Namespace::remove("tap0");
    CHECK(becomes(false));
}

TEST_CASE("interfaces that come and go do not disturb the link, even when messages are lost") {
    const Namespace network;
    const auto tap = open_tap(named("tap0"));
    network.add_bridge("other");
    for (int i = 0; i < 3000; ++i) {
        network.toggle_debug("other"); // a message each, more than there is room for
    }
    network.delete_bridge("other");
    network.set_up("tap0", false);
    CHECK(kit::eventually([&] {
        tap->update_link();
        return !tap->is_link_up();
    }));
}

} // namespace net_tap_test
