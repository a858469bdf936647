// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/mman.h>
#include <utility>

using namespace hvisor;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

} // namespace

TEST_CASE("UniqueFd closes what it owns, once") {
    UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = first.get();
    REQUIRE(is_open(number));

    UniqueFd second(std::move(first));
    CHECK(is_open(number));
    CHECK(second.get() == number);

    second = UniqueFd();
    CHECK_FALSE(is_open(number));
    CHECK_FALSE(second);
}

TEST_CASE("UniqueFd gives its descriptor away") {
    UniqueFd owner(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int number = owner.release();
    owner.reset();
    CHECK(is_open(number));
    ::close(number);
}

TEST_CASE("Mapping moves and unmaps") {
    const UniqueFd file(::memfd_create("test", MFD_CLOEXEC));
    REQUIRE(::ftruncate(file.get(), 8192) == 0);
    auto mapping = Mapping::map_shared(file.get(), 4096, 4096, "the test's file");
    REQUIRE(mapping);
    mapping->data()[0] = std::byte{7};
    const Mapping other(std::move(*mapping));
    CHECK(other.size() == 4096);
    CHECK(other.data()[0] == std::byte{7});
}

TEST_CASE("a mapping that fails says what, where and why") {
    const auto mapping = Mapping::map_shared(-1, 0x1000, 4096, "the bridge page");
    REQUIRE_FALSE(mapping);
    CHECK(mapping.error().message.contains("the bridge page"));
    CHECK(mapping.error().message.contains("0x1000"));
}
