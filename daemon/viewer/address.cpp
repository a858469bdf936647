// SPDX-License-Identifier: Apache-2.0
#include "viewer/address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <system_error>

namespace hvisor::viewer {
namespace {

template <class T>
void store(InternetAddress& to, const T& address) {
    std::memcpy(&to.address, &address, sizeof address);
    to.length = sizeof address;
}

std::optional<in_port_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || rest != text.data() + text.size() || port == 0) {
        return std::nullopt;
    }
    return htons(port);
}

} // namespace

std::optional<InternetAddress> parse_internet_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return std::nullopt;
    }
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) {
        return std::nullopt;
    }
    const bool is_bracketed = colon >= 2 && text.front() == '[' && text[colon - 1] == ']';
    const std::string host(is_bracketed ? text.substr(1, colon - 2) : text.substr(0, colon));
    InternetAddress result;
    if (is_bracketed) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = *port;
        if (::inet_pton(AF_INET6, host.c_str(), &address.sin6_addr) != 1) {
            return std::nullopt;
        }
        result.is_loopback = IN6_IS_ADDR_LOOPBACK(&address.sin6_addr) != 0;
        store(result, address);
        return result;
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = *port;
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
        return std::nullopt;
    }
    constexpr std::uint32_t loopback_net = 127;
    result.is_loopback = (ntohl(address.sin_addr.s_addr) >> 24U) == loopback_net;
    store(result, address);
    return result;
}

} // namespace hvisor::viewer
