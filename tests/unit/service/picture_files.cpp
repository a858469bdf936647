// SPDX-License-Identifier: Apache-2.0
#include "service/picture_files.hpp"

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace picture_files_test {

using namespace hvisor;
using service::PictureFiles;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

UniqueFd make_file(std::uint64_t size) {
    UniqueFd file(::memfd_create("picture", MFD_CLOEXEC));
    REQUIRE(::ftruncate(file.get(), static_cast<off_t>(size)) == 0);
    return file;
}

} // namespace

TEST_CASE("a picture that was handed out is read from its beginning, and not written") {
    PictureFiles pictures;
    UniqueFd file(::memfd_create("picture", MFD_CLOEXEC));
    REQUIRE(::write(file.get(), "abc", 3) == 3);
    const auto one = pictures.hand_out(file);
    const auto other = pictures.hand_out(file);
    REQUIRE(one);
    REQUIRE(other);
    std::array<char, 4> text{};
    CHECK(::read(one->get(), text.data(), text.size()) == 3);
    CHECK(::read(other->get(), text.data(), text.size()) == 3);
    CHECK(text == std::array{'a', 'b', 'c', '\0'});
    CHECK(::write(one->get(), "x", 1) == -1);
    CHECK((::fcntl(one->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("who keeps pictures open gets no more of them until it closes some") {
    PictureFiles pictures;
    std::vector<UniqueFd> kept;
    for (int i = 0; i < 4; ++i) {
        REQUIRE(pictures.check_room());
        kept.push_back(std::move(*pictures.hand_out(make_file(32 * mebibyte))));
    }
    const auto refused = pictures.check_room();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::resource_busy);
    CHECK(refused.error().message ==
          "programs have 4 screenshots open, 128 MiB of memory; try again when they "
          "have closed some");
    kept.pop_back();
    CHECK(pictures.check_room());
}

TEST_CASE("a picture on its way to who does not read is kept, too") {
    PictureFiles pictures;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    UniqueFd sender(ends[0]);
    UniqueFd receiver(ends[1]);
    {
        const auto picture = pictures.hand_out(make_file(128 * mebibyte));
        REQUIRE(picture);
        char byte = 'x';
        iovec part{.iov_base = &byte, .iov_len = 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        const int fd = picture->get();
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
        REQUIRE(::sendmsg(sender.get(), &message, 0) == 1);
    }
    CHECK_FALSE(pictures.check_room());
    receiver.reset();
    CHECK(pictures.check_room());
}

} // namespace picture_files_test
