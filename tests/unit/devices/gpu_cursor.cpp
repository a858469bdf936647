// SPDX-License-Identifier: Apache-2.0
#include "gpu_rig.hpp"

namespace gpu_cursor_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size screen_size{.width = 100, .height = 80};
constexpr Size cursor_size{.width = 64, .height = 64};

/// A screen that is all green, and cursors in resources 2 (its image) and 3 (a blob).
struct CursorRig : GpuRig {
    explicit CursorRig(bool is_held = false) : GpuRig({.screens = {screen_size}, .is_held = is_held}) {
        draw(1, Bitmap(screen_size, 0xff00ff00));
        set_scanout(0, 1, Rect::of(screen_size));
    }
    Response update(std::uint32_t id, std::int32_t x, std::int32_t y, std::uint32_t hot_x = 0,
                    std::uint32_t hot_y = 0, std::uint32_t scanout = 0) {
        return cursor_command(Command::update_cursor, body(id, x, y, hot_x, hot_y, scanout)).type();
    }
    Response move(std::int32_t x, std::int32_t y) {
        return cursor_command(Command::move_cursor, body(0, x, y, 0, 0, 0)).type();
    }
    static UpdateCursor body(std::uint32_t id, std::int32_t x, std::int32_t y, std::uint32_t hot_x,
                             std::uint32_t hot_y, std::uint32_t scanout) {
        return {.scanout_id = scanout,
                .x = std::bit_cast<std::uint32_t>(x),
                .y = std::bit_cast<std::uint32_t>(y),
                .padding = 0,
                .resource_id = id,
                .hot_x = hot_x,
                .hot_y = hot_y,
                .padding2 = 0};
    }
};

/// Solid red but for the first row, which is not there at all, and the second, half there.
Bitmap make_cursor() {
    Bitmap cursor(cursor_size, 0xffff0000);
    for (std::uint32_t x = 0; x < cursor_size.width; ++x) {
        cursor.at(x, 0) = 0;
        cursor.at(x, 1) = 0x80000080; // premultiplied
    }
    return cursor;
}

Bitmap with_cursor_at(std::int64_t left, std::int64_t top) {
    Bitmap expected(screen_size, 0xff00ff00);
    for (std::int64_t y = 0; y < screen_size.height; ++y) {
        for (std::int64_t x = 0; x < screen_size.width; ++x) {
            if (x < left || x >= left + 64 || y <= top || y >= top + 64) {
                continue;
            }
            expected.at(static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y)) =
                y == top + 1 ? 0xff007f80 : 0xffff0000;
        }
    }
    return expected;
}

} // namespace

TEST_CASE("gpu: a cursor is drawn over the picture, and only where that is asked for") {
    CursorRig rig;
    rig.draw(2, make_cursor(), Format::b8g8r8a8_unorm);
    CHECK(rig.update(2, 10, 5, 3, 4) == Response::ok_nodata);
    CHECK(rig.seen(0, true) == with_cursor_at(10, 5));
    CHECK(rig.seen(0, false) == Bitmap(screen_size, 0xff00ff00));
    CHECK(rig.move(50, 60) == Response::ok_nodata);
    CHECK(rig.seen(0, true) == with_cursor_at(50, 60));
    // Off the screen, to all sides.
    for (const auto& [x, y] : {std::pair{-10, -1}, {-64, 3}, {99, 79}, {100, 0}, {-1000, 7}}) {
        CHECK(rig.move(x, y) == Response::ok_nodata);
        CHECK(rig.seen(0, true) == with_cursor_at(x, y));
    }
    for (const auto place : {INT32_MIN, INT32_MAX}) {
        CHECK(rig.move(place, place) == Response::ok_nodata);
        CHECK(rig.seen(0, true) == Bitmap(screen_size, 0xff00ff00));
    }
    // And taken away.
    CHECK(rig.move(1, 1) == Response::ok_nodata);
    CHECK(rig.update(0, 1, 1) == Response::ok_nodata);
    CHECK(rig.seen(0, true) == Bitmap(screen_size, 0xff00ff00));
    CHECK(rig.errors(cursor_queue) == 0);
}

TEST_CASE("gpu: a cursor in each format, and in a blob") {
    CursorRig rig;
    for (const auto format : all_formats) {
        INFO("format " << std::to_underlying(format));
        const Bitmap solid(cursor_size, 0xff123456);
        const auto id = 100 + std::to_underlying(format);
        rig.draw(id, solid, format);
        CHECK(rig.update(id, 0, 0) == Response::ok_nodata);
        CHECK(rig.seen(0, true).part({.x = 0, .y = 0, .width = 64, .height = 64}) == solid);
    }
    const auto bytes = encode(make_cursor(), Format::b8g8r8a8_unorm);
    CHECK(rig.create_blob(3, bytes.size(), rig.scatter(bytes, {1000})).type() == Response::ok_nodata);
    // As Linux does before it: there is nothing to transfer.
    rig.transfer(3, Rect::of(cursor_size), 0);
    CHECK(rig.update(3, 20, 10) == Response::ok_nodata);
    CHECK(rig.seen(0, true) == with_cursor_at(20, 10));
}

TEST_CASE("gpu: a cursor is as it was when it was set, whatever becomes of its resource") {
    CursorRig rig;
    rig.draw(2, make_cursor(), Format::b8g8r8a8_unorm);
    CHECK(rig.update(2, 10, 5) == Response::ok_nodata);
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 2, .padding = 0});
    CHECK(rig.seen(0, true) == with_cursor_at(10, 5));
    rig.restart();
    rig.draw(1, Bitmap(screen_size, 0xff00ff00));
    rig.set_scanout(0, 1, Rect::of(screen_size));
    CHECK(rig.seen(0, true) == Bitmap(screen_size, 0xff00ff00));
}

TEST_CASE("gpu: a screen gets the cursor when it is turned on") {
    CursorRig rig(true);
    rig.draw(2, make_cursor(), Format::b8g8r8a8_unorm);
    rig.set_scanout(0, 0, {});
    CHECK(rig.update(2, -3, 7, 5, 6) == Response::ok_nodata);
    rig.with_screen([](HeldScreen& screen) { screen.cursor.reset(); });
    rig.set_scanout(0, 1, Rect::of(screen_size));
    rig.with_screen([](HeldScreen& screen) {
        REQUIRE(screen.cursor);
        CHECK(screen.cursor->hot_x == 5);
        CHECK(screen.cursor->hot_y == 6);
        CHECK(screen.position.x == -3);
        CHECK(screen.position.y == 7);
    });
}

TEST_CASE("gpu: a cursor that cannot be is refused and the one before stays") {
    CursorRig rig;
    rig.draw(2, make_cursor(), Format::b8g8r8a8_unorm);
    CHECK(rig.update(2, 10, 5) == Response::ok_nodata);
    rig.create(4, {.width = 64, .height = 63});
    const auto small = rig.scatter(std::vector<std::byte>(100), {100});
    CHECK(rig.create_blob(5, 100, small).type() == Response::ok_nodata);
    CHECK(rig.update(4, 0, 0) == Response::err_invalid_parameter);
    CHECK(rig.update(5, 0, 0) == Response::err_invalid_parameter);
    CHECK(rig.update(77, 0, 0) == Response::err_invalid_resource_id);
    CHECK(rig.update(2, 0, 0, 64, 0) == Response::err_invalid_parameter);
    CHECK(rig.update(2, 0, 0, 0, UINT32_MAX) == Response::err_invalid_parameter);
    CHECK(rig.update(2, 0, 0, 0, 0, 1) == Response::err_invalid_scanout_id);
    const auto bytes = encode(make_cursor(), Format::b8g8r8a8_unorm);
    CHECK(rig.create_blob(6, bytes.size(), rig.scatter(bytes, {4096})).type() == Response::ok_nodata);
    rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = 6, .padding = 0});
    CHECK(rig.update(6, 0, 0) == Response::err_unspec);
    CHECK(rig.seen(0, true) == with_cursor_at(10, 5));
    CHECK(rig.errors(cursor_queue) == 7);
    CHECK(!rig.needs_reset());
}

TEST_CASE("gpu: a cursor command needs no room for an answer, as Linux gives none") {
    CursorRig rig;
    rig.draw(2, make_cursor(), Format::b8g8r8a8_unorm);
    const auto bytes = GpuRig::request(Command::update_cursor, CursorRig::body(2, 10, 5, 0, 0, 0));
    CHECK(rig.send(bytes, 0, cursor_queue).length == 0);
    CHECK(rig.seen(0, true) == with_cursor_at(10, 5));
    CHECK(rig.errors(cursor_queue) == 0);
}

TEST_CASE("gpu: commands in the queue of the others are refused") {
    CursorRig rig;
    rig.draw(2, make_cursor(), Format::b8g8r8a8_unorm);
    CHECK(rig.command(Command::update_cursor, CursorRig::body(2, 0, 0, 0, 0, 0)).type() ==
          Response::err_unspec);
    CHECK(rig.send(GpuRig::request(Command::get_display_info), GpuRig::default_room, cursor_queue).type() ==
          Response::err_unspec);
}

} // namespace gpu_cursor_test
