// SPDX-License-Identifier: Apache-2.0
// How frames come to a display: two buffers, flips that end later, and what is painted.
#include "devices/gpu/flip_chain.hpp"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <expected>
#include <vector>

namespace gpu_flip_chain_test {

using namespace hvisor::devices::gpu;

namespace {

using Pixel = std::uint32_t;

/// A picture whose pixels are `value` now.
class FlatPicture final : public Picture {
  public:
    FlatPicture(Size size, Pixel value) : pixels(std::size_t{size.width} * size.height, value), size_(size) {}

    [[nodiscard]] Size size() const override { return size_; }
    void paint(const Rect& part, const Canvas& to) const override {
        painted.push_back(part);
        REQUIRE(part.fits(size_));
        REQUIRE(to.size == size_);
        for (auto y = part.y; y < part.y + part.height; ++y) {
            std::memcpy(to.at(part.x, y), &pixels[y * size_.width + part.x], part.width * bytes_per_pixel);
        }
    }
    void fill(const Rect& part, Pixel value) {
        for (auto y = part.y; y < part.y + part.height; ++y) {
            for (auto x = part.x; x < part.x + part.width; ++x) {
                pixels[y * size_.width + x] = value;
            }
        }
    }

    std::vector<Pixel> pixels;
    mutable std::vector<Rect> painted;

  private:
    Size size_;
};

/// Two buffers that begin with what must never be seen.
class FakeOutput final : public FlipOutput {
  public:
    struct Shown {
        std::size_t buffer;
        Rect damage;
        bool sets_mode;
        [[nodiscard]] bool operator==(const Shown&) const = default;
    };

    explicit FakeOutput(Size size) : size_(size) {
        for (auto& buffer : buffers) {
            buffer.assign(std::size_t{size.width} * size.height, 0xdeadbeef);
        }
    }
    [[nodiscard]] Canvas canvas(std::size_t buffer) override {
        return {.data = reinterpret_cast<std::byte*>(buffers.at(buffer).data()),
                .stride = size_.width * bytes_per_pixel,
                .size = size_};
    }
    [[nodiscard]] std::expected<Flip, int> flip(std::size_t buffer, const Rect& damage,
                                                bool sets_mode) override {
        std::expected<Flip, int> answer = Flip::on_its_way;
        if (!answers.empty()) {
            answer = answers.front();
            answers.pop_front();
        }
        if (answer && *answer != Flip::busy) {
            shown.push_back({buffer, damage, sets_mode});
        }
        return answer;
    }
    void call_later(Flip reason) override { later.push_back(reason); }

    [[nodiscard]] Pixel at(std::size_t buffer, std::uint32_t x, std::uint32_t y) const {
        return buffers.at(buffer).at(y * size_.width + x);
    }

    std::array<std::vector<Pixel>, 2> buffers;
    std::deque<std::expected<Flip, int>> answers; ///< of the next flips; then all go their way
    std::vector<Shown> shown;
    std::vector<Flip> later;

  private:
    Size size_;
};

constexpr Size small{.width = 8, .height = 6};

/// A chain that shows a picture of its mode's size, after its first flip.
struct Rig {
    explicit Rig(Size mode = small, Size size = small)
        : output(mode), picture(size, 1), placement(place(size, mode)) {
        REQUIRE(chain.begin(output, picture, placement));
        REQUIRE(chain.flipped());
        picture.painted.clear();
        output.shown.clear();
    }
    std::uint64_t draw(const Rect& part, Pixel value) {
        picture.fill(part, value);
        REQUIRE(chain.present(part));
        return chain.presented();
    }
    [[nodiscard]] std::vector<Pixel> read() const {
        std::vector<Pixel> pixels(picture.pixels.size(), 0xabababab);
        chain.read({.data = reinterpret_cast<std::byte*>(pixels.data()),
                    .stride = picture.size().width * bytes_per_pixel,
                    .size = picture.size()});
        return pixels;
    }

    FakeOutput output;
    FlatPicture picture;
    Placement placement;
    FlipChain chain;
};

} // namespace

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
    Rig rig;
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
    Rig rig;
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
    Rig rig;
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
    Rig rig({.width = 12, .height = 10}, small);
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
    Rig rig({.width = 5, .height = 4}, small);
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
    Rig rig;
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
    Rig rig;
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
    Rig rig;
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
    Rig rig;
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
    Rig rig;
    FlatPicture other({.width = 4, .height = 2}, 9);
    REQUIRE(rig.chain.change(other, place(other.size(), small)));
    REQUIRE(rig.chain.flipped());
    CHECK(rig.output.at(1, 0, 0) == 0);
    CHECK(rig.output.at(1, 2, 2) == 9);
    CHECK(rig.output.at(1, 6, 2) == 0);
}

TEST_CASE("a flip of the mode before does not count for the buffers of the next", "[gpu]") {
    Rig rig;
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
    Rig rig;
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
