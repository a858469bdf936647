// SPDX-License-Identifier: Apache-2.0
#include "reading.hpp"
#include "zone/virtio_config.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace read_net_config_test {

using namespace hvisor::zone;
using test::changed;
using test::read_virtio;
using test::virtio_refusal;

namespace {

constexpr std::string_view good = R"({ "zones": [ { "id": 1, "memory_region": [], "devices": [
{ "type": "net", "addr": "0xa003600", "len": "0x200", "irq": 75, "tap": "tap0",
  "mac": ["0x00", "0x16", 62, "0x10", "0x10", "0xff"], "status": "enable" } ] } ] })";

NetConfig read(const std::string& text) {
    const VirtioConfig virtio = read_virtio(text);
    REQUIRE(virtio.zones.at(0).devices.size() == 1);
    CHECK(virtio.zones[0].devices[0].type == DeviceType::net);
    return virtio.zones[0].devices[0].net;
}

/// The file with more keys.
std::string with(std::string_view keys) {
    return changed(good, R"("tap0",)", std::string(R"("tap0", )").append(keys).append(","));
}

} // namespace

TEST_CASE("upstream's network device becomes the model") {
    const auto net = read(std::string(good));
    CHECK(net.tap == "tap0");
    CHECK(net.mac == std::array<std::uint8_t, 6>{0x00, 0x16, 0x3e, 0x10, 0x10, 0xff});
    CHECK(net.bridge.empty());
    CHECK(net.mtu == 0);
    CHECK(net.queue_pairs == 1);
    CHECK(net.transmit == hvisor::Throttle::Settings{});
    CHECK(net.receive == hvisor::Throttle::Settings{});
}

TEST_CASE("our keys of a network device are read") {
    const auto net = read(with(R"("bridge": "br0", "mtu": 9000, "queue_pairs": 2,
        "rate_limit": { "transmit": { "bytes_per_second": 125000000, "bytes_burst": "0x100000" },
                        "receive": { "frames_per_second": "5000000000", "frames_burst": 10 } })"));
    CHECK(net.bridge == "br0");
    CHECK(net.mtu == 9000);
    CHECK(net.queue_pairs == 2);
    CHECK(net.transmit.bytes == hvisor::TokenBucket::Settings{.rate = 125000000, .burst = 0x100000});
    CHECK(net.transmit.operations == hvisor::TokenBucket::Settings{});
    CHECK(net.receive.operations == hvisor::TokenBucket::Settings{.rate = 5000000000, .burst = 10});
}

TEST_CASE("the ends of what a network device takes are taken") {
    CHECK(read(with(R"("mtu": 68)")).mtu == 68);
    CHECK(read(with(R"("mtu": 65521)")).mtu == 65521);
    CHECK(read(with(R"("queue_pairs": 7)")).queue_pairs == 7);
    CHECK(read(changed(good, "tap0", "fifteen-letters")).tap == "fifteen-letters");
}

TEST_CASE("what is wrong with a network device is said with its place, key and what belongs there") {
    const auto replaced = [](const char* from, const char* to) {
        return virtio_refusal(changed(good, from, to));
    };
    CHECK(
        replaced(R"("tap": "tap0",)", "") ==
        "v.json:2:1: /zones/0/devices/0/tap: this key is missing; expected the name of a tap, which is made "
        "if there is none");
    CHECK(replaced("tap0", "a-name-that-is-too-long") ==
          "v.json:2:73: /zones/0/devices/0/tap: \"a-name-that-is-too-long\" cannot name a network interface; "
          "expected 1 to 15 characters, none of them a blank, a slash, a colon or a percent sign");
    for (const char* name : {"", ".", "..", "a/b", "a b", "tap%d", "a:b"}) {
        INFO(name);
        CHECK(replaced("tap0", name).contains("/tap: "));
    }
    CHECK(replaced(R"("tap0")", "7").contains("/tap: expected the name of a tap"));
    CHECK(replaced(R"("mac": ["0x00", "0x16", 62, "0x10", "0x10", "0xff"], )", "") ==
          "v.json:2:1: /zones/0/devices/0/mac: this key is missing; expected an array of 6 bytes, such as "
          "\"0x02\"");
    CHECK(replaced(R"(["0x00", )", "[").contains("/mac: there are 5 bytes; expected 6"));
    CHECK(replaced(R"(["0x00", )", "[1, 2, ").contains("/mac: there are 7 elements; expected at most 6"));
    CHECK(replaced(R"("0xff")", R"("0x100")").contains("/mac/5: 0x100 is too large; expected at most 255"));
    CHECK(
        replaced(R"(["0x00", "0x16", 62, "0x10", "0x10", "0xff"])", "[]").contains("/mac: expected 6 bytes"));
    CHECK(replaced(R"(["0x00", "0x16", 62, "0x10", "0x10", "0xff"])", R"("02:00:00:00:00:01")")
              .contains("/mac: expected an array of 6 bytes"));
    CHECK(replaced(R"(["0x00")", R"(["0x01")").contains("/mac: this is the address of a group"));
    CHECK(replaced(R"(["0x00", "0x16", 62, "0x10", "0x10", "0xff"])", "[0,0,0,0,0,0]")
              .contains("/mac: the address is all zeroes"));

    CHECK(virtio_refusal(with(R"("bridge": "")")).contains("/bridge: \"\" cannot name a network interface"));
    CHECK(virtio_refusal(with(R"("mtu": 67)")).contains("/mtu: 67 is too small; expected at least 68"));
    CHECK(
        virtio_refusal(with(R"("mtu": 65522)")).contains("/mtu: 65522 is too large; expected at most 65521"));
    CHECK(virtio_refusal(with(R"("queue_pairs": 0)"))
              .contains("/queue_pairs: 0 is too small; expected at least 1"));
    CHECK(virtio_refusal(with(R"("queue_pairs": 8)"))
              .contains("/queue_pairs: 8 is too large; expected at most 7"));
    CHECK(virtio_refusal(with(R"("rate_limit": 5)")).contains("/rate_limit: expected an object with"));
    CHECK(virtio_refusal(with(R"("rate_limit": {"transmit": {}})"))
              .contains("/rate_limit/transmit: nothing is limited"));
    CHECK(virtio_refusal(with(R"("rate_limit": {"receive": {"bytes_per_second": -1}})"))
              .contains("/rate_limit/receive/bytes_per_second: -1 is negative"));
}

TEST_CASE("a disabled network device is not looked at") {
    const auto virtio = read_virtio_config(
        ConfigText{"v.json", changed(changed(good, R"("tap0")", "7"), R"("enable")", R"("disable")")});
    REQUIRE(virtio);
    CHECK(virtio->config.zones[0].devices.empty());
}

} // namespace read_net_config_test
