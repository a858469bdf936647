// SPDX-License-Identifier: Apache-2.0
#include "render/link.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <optional>
#include <span>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <variant>
#include <vector>

using namespace hvisor;
using namespace hvisor::render;

namespace {

struct Ends {
    Ends() {
        std::array<int, 2> pair{-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) == 0);
        one.emplace(UniqueFd(pair[0]));
        other.emplace(UniqueFd(pair[1]));
    }
    std::optional<Link> one;
    std::optional<Link> other;
};

} // namespace

TEST_CASE("render link: a message comes as it was sent, with its file and what is behind it") {
    Ends ends;
    const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
    const std::vector<std::byte> more(Submit::max_inline, std::byte{7});
    REQUIRE(
        ends.one->send(encode(Submit{.order = {.ticket = 3, .is_fenced = 1}, .context = 4, .size = 5}, more),
                       file.get()) == Sent::yes);
    auto received = ends.other->receive();
    auto& message = std::get<Received>(received);
    CHECK(message.kind() == Kind::submit);
    CHECK_FALSE(message.as<Submit>()); // it is longer
    CHECK_FALSE(message.begin<Transfer>());
    REQUIRE(message.begin<Submit>());
    CHECK(message.begin<Submit>()->context == 4);
    CHECK(message.more<Submit>().size() == more.size());
    CHECK(message.take_file());
    CHECK_FALSE(message.take_file());
    CHECK(std::holds_alternative<Nothing>(ends.other->receive()));
}

TEST_CASE("render link: what is too long or too short is no message") {
    Ends ends;
    const std::vector<std::byte> bytes(sizeof(Kind) + max_payload + 1);
    SECTION("too long") {
        REQUIRE(ends.one->send(bytes) == Sent::yes);
        CHECK(std::holds_alternative<Gone>(ends.other->receive()));
    }
    SECTION("shorter than its kind") {
        REQUIRE(ends.one->send(std::span(bytes).first(3)) == Sent::yes);
        CHECK(std::holds_alternative<Gone>(ends.other->receive()));
    }
    SECTION("shorter than it should be") {
        auto short_one = encode(Done{.ticket = 1, .error = 0});
        short_one.pop_back();
        REQUIRE(ends.one->send(short_one) == Sent::yes);
        auto received = ends.other->receive();
        CHECK_FALSE(std::get<Received>(received).as<Done>());
        CHECK_FALSE(std::get<Received>(received).begin<Done>());
    }
    SECTION("nobody is there") {
        ends.one.reset();
        CHECK(std::holds_alternative<Gone>(ends.other->receive()));
        CHECK(ends.other->send(encode(Done{})) == Sent::gone);
    }
}

TEST_CASE("render link: who does not read is not waited for") {
    Ends ends;
    const auto message = encode(Done{.ticket = 1, .error = 0});
    int sent = 0;
    while (ends.one->send(message) == Sent::yes) {
        ++sent;
    }
    CHECK(sent > 0);
    CHECK(ends.one->send(message) == Sent::full);
}
