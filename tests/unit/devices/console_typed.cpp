// SPDX-License-Identifier: Apache-2.0
// What was typed, when its process ends between two steps.
#include "base/state_memory.hpp"
#include "devices/console/typed_input.hpp"
#include "kit/ram.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <format>
#include <string>
#include <string_view>
#include <unistd.h>

namespace console_typed_test {

using namespace hvisor;
using namespace hvisor::devices::console;

namespace {

/// A pipe in the place of a pty, one that outlives the process, and the state.
struct Typist {
    Typist() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
        master.reset(ends[0]);
        keys.reset(ends[1]);
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
        const UniqueFd writer(ends[1]);
        pipe.reset(::open(std::format("/proc/self/fd/{}", ends[0]).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
        ::close(ends[0]);
    }
    void type(std::string_view text) const {
        REQUIRE(::write(keys.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    /// What the next process has.
    [[nodiscard]] TypedInput process() { return {UniqueFd(::dup(pipe.get())), state, memory->fd(), place}; }

    static constexpr std::int64_t place = 64;
    UniqueFd master;
    UniqueFd keys;
    UniqueFd pipe;
    std::shared_ptr<const StateMemory> memory = StateMemory::of_process();
    TypedState& state = *new (memory->bytes().data() + place) TypedState;
};

std::string text_of(std::span<const std::byte> bytes) {
    return kit::to_text(bytes);
}

} // namespace

TEST_CASE("what was typed goes to chains in turn, each byte once") {
    Typist typist;
    auto typed = typist.process();
    CHECK_FALSE(typed.fill(typist.master.get()));
    CHECK(errno == EAGAIN);
    CHECK_FALSE(typed.has_more());
    typist.type("one, two");
    REQUIRE(typed.fill(typist.master.get()));
    CHECK(text_of(typed.take(1, 4)) == "one,");
    CHECK(typed.has_more());
    CHECK(text_of(typed.take(2, 64)) == " two");
    CHECK(typed.is_empty());
}

TEST_CASE("a chain that did not go back gets the same from the next process") {
    Typist typist;
    typist.type("one, two");
    {
        auto killed = typist.process();
        REQUIRE(killed.fill(typist.master.get()));
        CHECK(text_of(killed.take(7, 4)) == "one,");
    }
    {
        auto killed = typist.process();
        REQUIRE(killed.is_for(7));
        CHECK(text_of(killed.take(7, 4)) == "one,");
    }
    auto typed = typist.process();
    CHECK(text_of(typed.take(8, 64)) == " two");
    CHECK(typed.is_empty());
    // The last one of all, and nothing else is got before it.
    auto next = typist.process();
    REQUIRE(next.is_for(8));
    CHECK(text_of(next.take(8, 64)) == " two");
}

TEST_CASE("a process that is killed before it has said how much went to a chain has not given it any") {
    Typist typist;
    typist.type("one, two");
    {
        auto killed = typist.process();
        REQUIRE(killed.fill(typist.master.get()));
        typist.state.from.set(0);
        typist.state.chain.set(3);
    }
    auto typed = typist.process();
    CHECK(text_of(typed.take(3, 64)) == "one, two");
}

TEST_CASE("what is in the pipe comes before what is in the pty") {
    Typist typist;
    REQUIRE(::write(typist.pipe.get(), "one", 3) == 3);
    typist.type("two");
    // Killed as it began anew: nothing of what was there before counts.
    typist.state.taken.set(17);
    typist.state.at = Typist::place + static_cast<std::int64_t>(offsetof(TypedState, bytes));
    auto typed = typist.process();
    CHECK(typed.is_empty());
    CHECK(typed.has_more());
    REQUIRE(typed.fill(-1));
    CHECK(text_of(typed.take(1, 64)) == "one");
    CHECK_FALSE(typed.fill(-1));
    REQUIRE(typed.fill(typist.master.get()));
    CHECK(text_of(typed.take(2, 64)) == "two");
}

TEST_CASE("a state that makes no sense is an empty one") {
    Typist typist;
    for (const std::int64_t at :
         {std::int64_t{-1}, std::int64_t{1} << 40, INT64_MIN, INT64_MAX, std::int64_t{0}}) {
        typist.state.at = at;
        typist.state.taken.set(UINT32_MAX);
        typist.state.from.set(UINT32_MAX);
        typist.state.chain.set(5);
        auto typed = typist.process();
        CHECK(typed.is_empty());
        CHECK(typed.take(5, 64).empty());
        typist.type("keys");
        REQUIRE(typed.fill(typist.master.get()));
        CHECK(text_of(typed.take(6, 64)) == "keys");
    }
}

} // namespace console_typed_test
