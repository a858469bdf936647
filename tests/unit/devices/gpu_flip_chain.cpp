// SPDX-License-Identifier: Apache-2.0
// How frames come to a display: two buffers, flips that end later, and what is painted.
#include "gpu_flip_rig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <vector>

namespace gpu_flip_chain_test {

using namespace hvisor::devices::gpu;

TEST_CASE("a mode begins with all of the picture", "[gpu]") {
    FakeOutput output(small);
    FlatPicture picture(small, 7);
    FlipChain chain;
    REQUIRE(chain.begin(output, picture, place(small, small)));
    CHECK(chain.is_beginning());
    CHECK(output.shown == std::vector<FakeOutput::Shown>{{0, Rect::of(small), true}});
    CHECK(output.buffers[0] == picture.pixels);
    REQUIRE(chain.flipped());
    CHECK_FALSE(chain.is_beginning());
    // The other buffer has nothing to say until something changes.
    CHECK(output.shown.size() == 1);
}

TEST_CASE("frames that come while a flip is on its way are joined", "[gpu]") {
    FlipRig rig;
    CHECK(rig.draw({0, 0, 1, 1}, 2) == 1);
    CHECK(rig.draw({1, 0, 1, 1}, 3) == 2);
    CHECK(rig.draw({2, 0, 1, 1}, 4) == 3);
    CHECK(rig.output.shown.size() == 1);
    CHECK(rig.chain.shown() == 0);
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == 1);
    CHECK(rig.output.shown.size() == 2);
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == 3);
    CHECK(rig.output.shown.size() == 2);
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("a buffer is given what has changed since it was painted last, and no more", "[gpu]") {
    FlipRig rig;
    // Buffer 1 has never been painted.
    rig.draw({0, 0, 1, 1}, 2);
    CHECK(rig.picture.painted == std::vector{Rect::of(small)});
    REQUIRE(rig.chain.flipped());
    // Buffer 0 lacks the frame before, too.
    rig.draw({3, 2, 2, 1}, 3);
    CHECK(rig.picture.painted.back() == Rect{0, 0, 5, 3});
    CHECK(rig.output.shown.back() == FakeOutput::Shown{0, {0, 0, 5, 3}, false});
    REQUIRE(rig.chain.flipped());
    rig.draw({7, 5, 1, 1}, 4);
    CHECK(rig.picture.painted.back() == Rect{3, 2, 5, 4});
    REQUIRE(rig.chain.flipped());
    rig.draw({7, 5, 1, 1}, 5);
    CHECK(rig.picture.painted.back() == Rect{7, 5, 1, 1});
    REQUIRE(rig.chain.flipped());
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("any series of changes ends as the picture is", "[gpu]") {
    FlipRig rig;
    std::uint32_t random = 1;
    const auto next = [&random](std::uint32_t below) {
        random = random * 1664525 + 1013904223;
        return (random >> 16) % below;
    };
    for (Pixel value = 2; value < 400; ++value) {
        const auto x = next(small.width);
        const auto y = next(small.height);
        rig.draw({x, y, 1 + next(small.width - x), 1 + next(small.height - y)}, value);
        if (next(3) != 0) {
            REQUIRE(rig.chain.flipped());
        }
    }
    REQUIRE(rig.chain.flipped());
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == rig.chain.presented());
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("around a smaller picture it is black, and damage is where the picture is", "[gpu]") {
    FlipRig rig({.width = 12, .height = 10}, small);
    CHECK(rig.output.at(0, 0, 0) == 0);
    CHECK(rig.output.at(0, 1, 2) == 0);
    CHECK(rig.output.at(0, 2, 2) == 1);
    CHECK(rig.output.at(0, 9, 7) == 1);
    CHECK(rig.output.at(0, 10, 7) == 0);
    CHECK(rig.output.at(0, 11, 9) == 0);
    rig.draw({0, 0, 1, 1}, 2);
    REQUIRE(rig.chain.flipped());
    rig.draw({1, 0, 1, 1}, 3);
    CHECK(rig.output.shown.back() == FakeOutput::Shown{0, {2, 2, 2, 1}, false});
    REQUIRE(rig.chain.flipped());
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("of a larger picture the upper left is to be seen", "[gpu]") {
    FlipRig rig({.width = 5, .height = 4}, small);
    rig.draw({4, 3, 4, 3}, 2);
    REQUIRE(rig.chain.flipped());
    CHECK(rig.output.at(1, 4, 3) == 2);
    const auto seen = rig.read();
    CHECK(seen[3 * small.width + 4] == 2);
    CHECK(seen[0] == 1);
    // What the display has no room for is black, not what was there before.
    CHECK(seen[3 * small.width + 5] == 0);
    CHECK(seen[5 * small.width] == 0);
    // Damage that is not to be seen is a frame nevertheless.
    const auto frame = rig.draw({6, 5, 1, 1}, 3);
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == frame);
}

TEST_CASE("a display that is busy is asked again, and nothing is lost", "[gpu]") {
    FlipRig rig;
    rig.output.answers = {Flip::busy, Flip::busy};
    rig.draw({0, 0, 1, 1}, 2);
    CHECK(rig.output.later == std::vector{Flip::busy});
    rig.draw({5, 5, 1, 1}, 3);
    CHECK(rig.output.later.size() == 1);
    REQUIRE(rig.chain.resume());
    CHECK(rig.output.later.size() == 2);
    CHECK(rig.chain.shown() == 0);
    REQUIRE(rig.chain.resume());
    CHECK(rig.output.shown == std::vector<FakeOutput::Shown>{{1, Rect::of(small), false}});
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == 2);
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("a display that tells of no flip gets one a frame's time", "[gpu]") {
    FlipRig rig;
    rig.output.answers = {Flip::done, Flip::done};
    rig.draw({0, 0, 1, 1}, 2);
    rig.draw({1, 0, 1, 1}, 3);
    CHECK(rig.output.shown.size() == 1);
    CHECK(rig.output.later == std::vector{Flip::done});
    REQUIRE(rig.chain.resume());
    CHECK(rig.chain.shown() == 1);
    CHECK(rig.output.shown.size() == 2);
    REQUIRE(rig.chain.resume());
    CHECK(rig.chain.shown() == 2);
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("a frame that cannot be shown counts as shown, and the next one has its changes", "[gpu]") {
    FlipRig rig;
    rig.output.answers = {std::unexpected(EINVAL)};
    rig.picture.fill({0, 0, 1, 1}, 2);
    CHECK(rig.chain.present({0, 0, 1, 1}).error() == EINVAL);
    CHECK(rig.chain.shown() == 1);
    rig.draw({1, 1, 1, 1}, 3);
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == 2);
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("another picture of the same mode is shown without setting the mode", "[gpu]") {
    FlipRig rig;
    rig.draw({0, 0, 1, 1}, 2); // on its way
    FlatPicture other(small, 9);
    REQUIRE(rig.chain.change(other, rig.placement));
    CHECK(rig.output.shown.size() == 1);
    REQUIRE(rig.chain.flipped());
    CHECK(rig.output.shown.back() == FakeOutput::Shown{0, Rect::of(small), false});
    REQUIRE(rig.chain.flipped());
    CHECK(rig.read() == other.pixels);
}

TEST_CASE("a smaller picture after a larger one leaves nothing of it", "[gpu]") {
    FlipRig rig;
    FlatPicture other({.width = 4, .height = 2}, 9);
    REQUIRE(rig.chain.change(other, place(other.size(), small)));
    REQUIRE(rig.chain.flipped());
    CHECK(rig.output.at(1, 0, 0) == 0);
    CHECK(rig.output.at(1, 2, 2) == 9);
    CHECK(rig.output.at(1, 6, 2) == 0);
}

TEST_CASE("a flip of the mode before does not count for the buffers of the next", "[gpu]") {
    FlipRig rig;
    rig.draw({0, 0, 1, 1}, 2); // on its way
    FakeOutput larger({.width = 16, .height = 16});
    REQUIRE(rig.chain.begin(larger, rig.picture, place(small, {16, 16})));
    CHECK(larger.shown.empty());
    REQUIRE(rig.chain.flipped());
    CHECK(rig.chain.shown() == 1);
    CHECK(rig.chain.is_beginning());
    CHECK(larger.shown == std::vector<FakeOutput::Shown>{{0, {0, 0, 16, 16}, true}});
    REQUIRE(rig.chain.flipped());
    CHECK_FALSE(rig.chain.is_beginning());
    CHECK(rig.read() == rig.picture.pixels);
}

TEST_CASE("with the end every frame counts as shown, and a late flip is nobody's", "[gpu]") {
    FlipRig rig;
    rig.draw({0, 0, 1, 1}, 2);
    rig.draw({0, 0, 1, 1}, 3);
    rig.chain.end();
    CHECK_FALSE(rig.chain.is_on());
    CHECK(rig.chain.shown() == 2);
    REQUIRE(rig.chain.flipped());
    REQUIRE(rig.chain.resume());
    CHECK(rig.output.shown.size() == 1);
    CHECK(rig.chain.present({0, 0, 1, 1}));
    CHECK(rig.chain.shown() == 3);
}

TEST_CASE("a mode that the display refuses is told", "[gpu]") {
    FakeOutput output(small);
    FlatPicture picture(small, 7);
    FlipChain chain;
    output.answers = {std::unexpected(EACCES)};
    CHECK(chain.begin(output, picture, place(small, small)).error() == EACCES);
}

} // namespace gpu_flip_chain_test
