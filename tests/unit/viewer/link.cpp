// SPDX-License-Identifier: Apache-2.0
#include "viewer/link.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <variant>

using namespace hvisor;
using namespace hvisor::viewer;

namespace {

std::array<UniqueFd, 2> make_pair() {
    std::array<int, 2> ends{-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

struct LinkRig {
    LinkRig() : LinkRig(make_pair()) {}
    explicit LinkRig(std::array<UniqueFd, 2> ends)
        : one(std::move(ends[0])), raw(ends[1].get()), other(std::move(ends[1])) {}
    Link one;
    int raw; ///< the other's
    Link other;
};

} // namespace

TEST_CASE("link: a message comes as it was sent, with its file") {
    LinkRig rig;
    const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), "here", 4) == 4);
    REQUIRE(rig.one.send(Picture{.width = 1, .height = 2, .stride = 3}, file.get()) == Sent::yes);
    REQUIRE(rig.one.send(NoCursor{}) == Sent::yes);

    auto received = rig.other.receive();
    auto& picture = std::get<Received>(received);
    CHECK(picture.kind() == Kind::picture);
    CHECK(picture.as<Picture>()->stride == 3);
    CHECK_FALSE(picture.as<Changed>());
    const auto passed = picture.take_file();
    REQUIRE(passed);
    CHECK((::fcntl(passed.get(), F_GETFD) & FD_CLOEXEC) != 0);
    std::array<char, 4> text{};
    CHECK(::pread(passed.get(), text.data(), text.size(), 0) == 4);
    CHECK(std::string_view(text.data(), text.size()) == "here");

    received = rig.other.receive();
    CHECK(std::get<Received>(received).as<NoCursor>());
    CHECK_FALSE(std::get<Received>(received).take_file());
    CHECK(std::holds_alternative<Nothing>(rig.other.receive()));
}

TEST_CASE("link: the largest message fits") {
    LinkRig rig;
    Cursor cursor{.hot_x = 1, .hot_y = 2, .pixels = {}};
    cursor.pixels.back() = std::byte{7};
    REQUIRE(rig.one.send(cursor) == Sent::yes);
    auto received = rig.other.receive();
    CHECK(std::get<Received>(received).as<Cursor>()->pixels.back() == std::byte{7});
}

TEST_CASE("link: a payload of another length is none of that kind") {
    LinkRig rig;
    const std::array<std::uint32_t, 3> shorter{static_cast<std::uint32_t>(Kind::changed), 1, 2};
    REQUIRE(::send(rig.raw, shorter.data(), sizeof shorter, 0) > 0);
    auto received = rig.one.receive();
    CHECK(std::get<Received>(received).kind() == Kind::changed);
    CHECK_FALSE(std::get<Received>(received).as<Changed>());
    const std::array<std::uint32_t, 2> longer{static_cast<std::uint32_t>(Kind::no_cursor), 1};
    REQUIRE(::send(rig.raw, longer.data(), sizeof longer, 0) > 0);
    received = rig.one.receive();
    CHECK_FALSE(std::get<Received>(received).as<NoCursor>());
}

TEST_CASE("link: what is no message ends it, and so does the other side's end") {
    LinkRig rig;
    SECTION("a packet that is too short for its kind") {
        REQUIRE(::send(rig.raw, "x", 1, 0) == 1);
    }
    SECTION("an empty one") {
        REQUIRE(::send(rig.raw, "", 0, 0) == 0);
    }
    SECTION("one that is longer than any message") {
        const std::array<std::byte, sizeof(Cursor) + 100> much{};
        REQUIRE(::send(rig.raw, much.data(), much.size(), 0) > 0);
    }
    SECTION("two files") {
        const std::array<int, 2> files{0, 1};
        std::uint32_t kind = static_cast<std::uint32_t>(Kind::viewer);
        iovec part{.iov_base = &kind, .iov_len = sizeof kind};
        alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof files)> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof files);
        std::memcpy(CMSG_DATA(header), files.data(), sizeof files);
        REQUIRE(::sendmsg(rig.raw, &message, 0) == sizeof kind);
    }
    SECTION("nobody is there") {
        rig.other = Link(UniqueFd());
        CHECK(rig.one.send(NoCursor{}) == Sent::gone);
    }
    CHECK(std::holds_alternative<Gone>(rig.one.receive()));
}

TEST_CASE("link: who does not read is told nothing more, and nobody waits") {
    LinkRig rig;
    int sent = 0;
    while (rig.one.send(Changed{}) == Sent::yes) {
        ++sent;
        REQUIRE(sent < 1'000'000);
    }
    CHECK(rig.one.send(Changed{}) == Sent::full);
    auto received = rig.other.receive();
    CHECK(std::get<Received>(received).as<Changed>());
    CHECK(rig.one.send(Changed{}) == Sent::yes);
}

TEST_CASE("text: ends with a zero or with its room") {
    CHECK(view_of(text_of<Text<4>>("abc")) == "abc");
    CHECK(view_of(text_of<Text<4>>("abcd")) == "abcd");
    CHECK(view_of(text_of<Text<4>>("abcde")) == "abcd");
    CHECK(view_of(text_of<Text<4>>("")).empty());
}
