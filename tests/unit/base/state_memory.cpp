// SPDX-License-Identifier: Apache-2.0
#include "base/state_memory.hpp"

#include "base/fd_store.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace state_memory_test {

using namespace hvisor;

TEST_CASE("state is zero at first, and the same for whoever opens its file") {
    const auto memory = StateMemory::create("test");
    REQUIRE(memory);
    CHECK(memory->bytes().size() == StateMemory::default_size);
    CHECK(std::ranges::all_of(memory->bytes(), [](std::byte b) { return b == std::byte{0}; }));
    memory->bytes()[7] = std::byte{9};
    const auto other = StateMemory::open(UniqueFd(::dup(memory->fd())), "test");
    REQUIRE(other);
    CHECK(other->bytes()[7] == std::byte{9});
    memory->clear();
    CHECK(other->bytes()[7] == std::byte{0});
    // A file that can shrink would end whoever looks at what is gone.
    CHECK(::ftruncate(memory->fd(), 4096) != 0);
}

TEST_CASE("whoever has more to remember has more memory, and takes no less") {
    constexpr auto size = 3 * StateMemory::default_size;
    const auto memory = StateMemory::create("test", size);
    REQUIRE(memory);
    CHECK(memory->bytes().size() == size);
    CHECK(StateMemory::open(UniqueFd(::dup(memory->fd())), "test", size));
    CHECK_FALSE(StateMemory::open(UniqueFd(::dup(memory->fd())), "test"));
    CHECK(StateMemory::of_process(size)->bytes().size() == size);
}

TEST_CASE("a file that is no state is refused by name") {
    const auto refused = [](UniqueFd file) {
        const auto opened = StateMemory::open(std::move(file), "linux2/block-a003c00");
        return !opened && opened.error().code == ErrorCode::incompatible &&
               opened.error().message.contains("linux2/block-a003c00");
    };
    CHECK(refused({}));
    CHECK(refused(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))));
    UniqueFd short_one(::memfd_create("short", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(short_one.get(), 4096) == 0);
    REQUIRE(::fcntl(short_one.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    CHECK(refused(std::move(short_one)));
    UniqueFd unsealed(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(unsealed.get(), StateMemory::default_size) == 0);
    CHECK(refused(std::move(unsealed)));
}

TEST_CASE("files that were inherited are given once, and dropped when nobody wants them") {
    std::vector<std::string> dropped;
    std::multimap<std::string, UniqueFd> left;
    for (const char* name : {"a.1", "a.2", "b"}) {
        left.emplace(name, UniqueFd(::memfd_create(name, MFD_CLOEXEC)));
    }
    FdStore store({.keep = [](const std::string&, int) {},
                   .drop = [&](const std::string& name) { dropped.push_back(name); }},
                  std::move(left));
    CHECK(store.is_kept());
    CHECK(store.inherited("a.") == std::vector<std::string>{"a.1", "a.2"});
    CHECK(store.look_at("a.1") >= 0);
    CHECK(store.take("a.1"));
    CHECK_FALSE(store.take("a.1"));
    CHECK(store.look_at("a.1") == -1);
    CHECK_FALSE(store.take("c"));
    store.drop_rest();
    CHECK(dropped == std::vector<std::string>{"a.2", "b"});
    CHECK(store.inherited("").empty());
    CHECK_FALSE(FdStore().is_kept());
}

} // namespace state_memory_test
