// SPDX-License-Identifier: Apache-2.0
#include "viewer/address.hpp"

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <string_view>

using namespace hvisor::viewer;

TEST_CASE("address: of the Internet, with a port") {
    const auto v4 = parse_internet_address("127.0.0.1:5900");
    REQUIRE(v4);
    CHECK(v4->address.ss_family == AF_INET);
    CHECK(v4->length == sizeof(sockaddr_in));
    CHECK(v4->is_loopback);
    CHECK(reinterpret_cast<const sockaddr_in&>(v4->address).sin_port == htons(5900));
    CHECK(reinterpret_cast<const sockaddr_in&>(v4->address).sin_addr.s_addr == htonl(INADDR_LOOPBACK));

    const auto v6 = parse_internet_address("[::1]:65535");
    REQUIRE(v6);
    CHECK(v6->address.ss_family == AF_INET6);
    CHECK(v6->length == sizeof(sockaddr_in6));
    CHECK(v6->is_loopback);
    CHECK(reinterpret_cast<const sockaddr_in6&>(v6->address).sin6_port == htons(65535));
}

TEST_CASE("address: what others can reach is no loopback") {
    for (const std::string_view text :
         {"0.0.0.0:5900", "192.168.1.2:5900", "[::]:5900", "[fe80::1]:1", "128.0.0.1:1"}) {
        CAPTURE(text);
        const auto address = parse_internet_address(text);
        REQUIRE(address);
        CHECK_FALSE(address->is_loopback);
    }
    CHECK(parse_internet_address("127.255.255.254:1")->is_loopback);
}

TEST_CASE("address: nothing else is one") {
    for (const std::string_view text :
         {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
          "127.0.0.1: 1", "127.0.0.1:5900 ", "localhost:5900", "::1:5900", "[::1]", "[::1]5900",
          "[127.0.0.1]:5900", "[]:1", "[:1", "1.2.3:5", "/run/hvisor/vnc/linux2", "[::1%lo]:5900"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_internet_address(text));
    }
}
