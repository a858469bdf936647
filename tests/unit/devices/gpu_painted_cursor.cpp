// SPDX-License-Identifier: Apache-2.0
// A pointer that is painted over the picture, in two buffers that take turns.
#include "devices/gpu/cursor.hpp"
#include "gpu_flip_rig.hpp"

#include <catch2/catch_test_macros.hpp>
#include <optional>

namespace gpu_painted_cursor_test {

using namespace hvisor::devices::gpu;

namespace {

constexpr Size large{.width = 150, .height = 100};

/// A block that nothing is seen through, half a block that shines through, and nothing.
Cursor make_cursor(std::byte colour) {
    Cursor cursor;
    for (std::size_t i = 0; i < cursor.pixels.size(); i += bytes_per_pixel) {
        const auto column = i / bytes_per_pixel % Cursor::side;
        if (column < 20) {
            cursor.pixels.at(i) = colour;
            cursor.pixels.at(i + 3) = std::byte{0xff};
        } else if (column < 40) {
            cursor.pixels.at(i + 1) = std::byte{0x40};
            cursor.pixels.at(i + 3) = std::byte{0x80};
        }
    }
    return cursor;
}

struct CursorRig : FlipRig {
    using FlipRig::FlipRig;

    void set(std::optional<Cursor> its_cursor) {
        cursor = std::move(its_cursor);
        REQUIRE(chain.set_cursor(cursor ? &*cursor : nullptr));
    }
    void move(CursorPosition its_position) {
        position = its_position;
        REQUIRE(chain.move_cursor(position));
    }
    void settle() {
        while (output.shown.size() != settled) {
            settled = output.shown.size();
            REQUIRE(chain.flipped());
        }
    }
    /// What has to be on a display as large as the picture.
    [[nodiscard]] std::vector<Pixel> expected() const {
        auto pixels = picture.pixels;
        if (cursor) {
            draw_cursor(*cursor, position,
                        {.data = reinterpret_cast<std::byte*>(pixels.data()),
                         .stride = picture.size().width * bytes_per_pixel,
                         .size = picture.size()});
        }
        return pixels;
    }
    [[nodiscard]] const std::vector<Pixel>& seen() const {
        return output.buffers.at(output.shown.back().buffer);
    }

    std::optional<Cursor> cursor;
    CursorPosition position;
    std::size_t settled = 0;
};

} // namespace

TEST_CASE("a painted pointer is seen where it is, and nowhere else", "[gpu]") {
    CursorRig rig(large, large);
    rig.set(make_cursor(std::byte{0x11}));
    rig.settle();
    CHECK(rig.seen() == rig.expected());
    for (const CursorPosition position :
         {CursorPosition{30, 20}, {120, 80}, {-50, -60}, {-64, 0}, {0, 100}, {1, 1}}) {
        rig.move(position);
        rig.settle();
        CHECK(rig.seen() == rig.expected());
        CHECK(rig.read() == rig.picture.pixels);
    }
    rig.set({});
    rig.settle();
    CHECK(rig.seen() == rig.picture.pixels);
    // Which changes nothing that is seen.
    const auto flips = rig.output.shown.size();
    rig.move({50, 50});
    rig.settle();
    CHECK(rig.output.shown.size() == flips);
    CHECK(rig.chain.presented() == 0);
}

TEST_CASE("a moved pointer's damage is where it was and where it is", "[gpu]") {
    CursorRig rig(large, large);
    rig.set(make_cursor(std::byte{1}));
    rig.settle();
    rig.move({5, 5});
    rig.settle();
    rig.move({20, 10});
    rig.settle();
    CHECK(rig.output.shown.back().damage == Rect{5, 5, 79, 69});
}

TEST_CASE("around a smaller picture the pointer is on the display's own pixels", "[gpu]") {
    CursorRig rig(large, {.width = 100, .height = 60});
    rig.set(make_cursor(std::byte{0x22}));
    rig.move({25 + 90, 20 + 50}); // over the edge of the picture
    rig.settle();
    const auto buffer = rig.output.shown.back().buffer;
    CHECK((rig.output.at(buffer, 25 + 90, 20 + 50) & 0xffffff) == 0x22);
    CHECK((rig.output.at(buffer, 25 + 100, 20 + 65) & 0xffffff) == 0x22);
    CHECK(rig.read() == rig.picture.pixels);
    rig.set({});
    rig.settle();
    CHECK(rig.output.at(rig.output.shown.back().buffer, 25 + 100, 20 + 65) == 0);
}

TEST_CASE("another mode begins with the pointer", "[gpu]") {
    CursorRig rig(large, large);
    rig.set(make_cursor(std::byte{3}));
    rig.move({7, 7});
    rig.settle();
    FakeOutput other(large);
    REQUIRE(rig.chain.begin(other, rig.picture, rig.placement));
    REQUIRE(rig.chain.flipped());
    CHECK(other.buffers.at(0) == rig.expected());
    rig.chain.end();
}

TEST_CASE("any series of changes and moves ends as it has to", "[gpu]") {
    CursorRig rig(large, large);
    std::uint32_t random = 7;
    const auto next = [&random](std::uint32_t below) {
        random = random * 1664525 + 1013904223;
        return (random >> 16) % below;
    };
    for (Pixel value = 2; value < 600; ++value) {
        if (next(4) == 0) {
            rig.output.answers.emplace_back(Flip::busy);
        }
        switch (next(5)) {
        case 0: {
            const auto x = next(large.width);
            const auto y = next(large.height);
            rig.draw({x, y, 1 + next(large.width - x), 1 + next(large.height - y)}, value);
            break;
        }
        case 1:
            rig.set(next(4) == 0 ? std::nullopt : std::optional(make_cursor(std::byte(value))));
            break;
        case 2:
        case 3:
            rig.move({static_cast<std::int32_t>(next(260)) - 90, static_cast<std::int32_t>(next(200)) - 80});
            break;
        default:
            REQUIRE(rig.chain.flipped());
            break;
        }
        if (next(2) == 0) {
            REQUIRE(rig.chain.resume());
        }
    }
    rig.output.answers.clear();
    REQUIRE(rig.chain.resume());
    rig.settle();
    CHECK(rig.seen() == rig.expected());
    CHECK(rig.read() == rig.picture.pixels);
    CHECK(rig.chain.shown() == rig.chain.presented());
}

} // namespace gpu_painted_cursor_test
