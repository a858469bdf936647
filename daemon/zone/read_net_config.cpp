// SPDX-License-Identifier: Apache-2.0
#include "zone/read_net_config.hpp"

#include "zone/read_limits.hpp"

#include <algorithm>
#include <format>
#include <optional>
#include <string_view>

namespace hvisor::zone {
namespace {

/// The longest name of a network interface in Linux.
constexpr std::size_t longest_name = 15;
/// What a tap takes (virtio 1.2, 5.1.4.1 begins at 68, too).
constexpr std::uint16_t least_mtu = 68;
constexpr std::uint16_t largest_mtu = 65521;
/// Two queues a pair and the control queue in the 16 that a device can have.
constexpr std::uint16_t most_pairs = 7;

/// As the kernel has it, which also takes a % for a place to put a number.
bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() <= longest_name && name != "." && name != ".." &&
           std::ranges::none_of(name, [](char c) {
               return c == '/' || c == ':' || c == '%' || static_cast<unsigned char>(c) <= ' ';
           });
}

std::string read_name(const ConfigReader& value, std::string_view expected) {
    auto name = value.string(expected);
    if (name && !is_interface_name(*name)) {
        value.problem(std::format("\"{}\" cannot name a network interface; expected 1 to {} characters, none "
                                  "of them a blank, a slash, a colon or a percent sign",
                                  *name, longest_name));
    }
    return name.value_or("");
}

std::array<std::uint8_t, 6> read_mac(const ConfigReader& value) {
    std::array<std::uint8_t, 6> mac{};
    const auto bytes = value.elements(mac.size(), "6 bytes, such as \"0x02\"");
    if (!value.is(JsonValue::Kind::array) || bytes.empty()) {
        if (value.is(JsonValue::Kind::array)) {
            value.problem("expected 6 bytes, such as \"0x02\"");
        }
        return mac;
    }
    if (bytes.size() != mac.size()) {
        value.problem(std::format("there are {} bytes; expected 6", bytes.size()));
        return mac;
    }
    for (std::size_t i = 0; i < mac.size(); ++i) {
        bytes[i].read(mac[i]);
    }
    if ((mac[0] & 1) != 0) {
        value.problem("this is the address of a group; expected an even first byte");
    } else if (mac == std::array<std::uint8_t, 6>{}) {
        value.problem("the address is all zeroes; expected one of a single interface");
    }
    return mac;
}

} // namespace

NetConfig read_net_config(const ConfigReader& device) {
    NetConfig net;
    constexpr std::string_view tap = "the name of a tap, which is made if there is none";
    if (const auto value = device.require("tap", tap)) {
        net.tap = read_name(*value, tap);
    }
    if (const auto value = device.require("mac", "an array of 6 bytes, such as \"0x02\"")) {
        net.mac = read_mac(*value);
    }
    if (const auto value = device.find("bridge")) {
        net.bridge = read_name(*value, "the name of a bridge");
    }
    if (const auto value = device.find("mtu")) {
        net.mtu = read_between(*value, least_mtu, largest_mtu);
    }
    if (const auto value = device.find("queue_pairs")) {
        net.queue_pairs = read_between<std::uint16_t>(*value, 1, most_pairs);
    }
    if (const auto limit = device.find("rate_limit");
        limit && limit->require_object(R"("transmit" and "receive")")) {
        net.transmit = read_limit(*limit, "transmit", "frames");
        net.receive = read_limit(*limit, "receive", "frames");
    }
    return net;
}

} // namespace hvisor::zone
