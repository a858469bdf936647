// SPDX-License-Identifier: Apache-2.0
// What viewers type and point at.
#include "vnc_rig.hpp"
#include "vnc_viewer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <linux/input-event-codes.h>
#include <rfb/keysym.h>

using namespace hvisor;
using namespace hvisor::vnc::test;

namespace {

struct InputRig : VncRig {
    InputRig() {
        REQUIRE(serve());
        show(picture);
        viewer = std::make_unique<VncViewer>(settings.address);
        REQUIRE(viewer->is_connected());
    }
    ~InputRig() { viewer.reset(); }

    void key(std::uint32_t symbol, bool is_pressed) {
        REQUIRE(SendKeyEvent(viewer->client(), symbol, is_pressed ? TRUE : FALSE) != FALSE);
    }
    void point(int x, int y, unsigned buttons) {
        REQUIRE(SendPointerEvent(viewer->client(), x, y, static_cast<int>(buttons)) != FALSE);
    }
    bool has_typed(const std::vector<std::pair<std::uint16_t, bool>>& wanted) {
        return kit::eventually([&] { return typed() == wanted; });
    }

    Helper helper{settings.helper};
    Pattern picture{Size{.width = 320, .height = 200}};
    std::unique_ptr<VncViewer> viewer;
};

bool is_at(const viewer::Pointer& pointer, std::uint32_t x, std::uint32_t y, std::uint32_t buttons) {
    return pointer.x == x && pointer.y == y && pointer.buttons == buttons;
}

} // namespace

TEST_CASE("vnc input: keys go down and up, once each") {
    InputRig rig;
    rig.key(XK_Shift_L, true);
    rig.key(XK_A, true);
    rig.key(XK_A, true); // held down
    rig.key(XK_A, false);
    rig.key(XK_Shift_L, false);
    rig.key(XK_odiaeresis, true); // no key has it
    rig.key(XK_Return, true);
    CHECK(rig.has_typed(
        {{KEY_LEFTSHIFT, true}, {KEY_A, true}, {KEY_A, false}, {KEY_LEFTSHIFT, false}, {KEY_ENTER, true}}));
    // Who leaves holds nothing down.
    rig.viewer.reset();
    CHECK(kit::eventually([&] { return rig.typed().size() == 6; }));
    CHECK(rig.typed().back() == std::pair<std::uint16_t, bool>(KEY_ENTER, false));
}

TEST_CASE("vnc input: the pointer, its buttons and wheels") {
    InputRig rig;
    rig.point(319, 199, 0);
    rig.point(10, 20, 1);
    rig.point(10, 20, 0x87); // all, and "back"
    rig.point(10, 20, 0);
    rig.point(10, 20, 0x08); // a step up
    rig.point(10, 20, 0);
    rig.point(10, 20, 0x10); // and down
    rig.point(10, 20, 0x40); // and right
    rig.point(10, 20, 0x44); // nothing turns with a button
    REQUIRE(kit::eventually([&] { return rig.pointed().size() == 9; }));
    const auto pointed = rig.pointed();
    CHECK(is_at(pointed[0], 319, 199, 0));
    CHECK(is_at(pointed[1], 10, 20, 1));
    CHECK(is_at(pointed[2], 10, 20, 0xf));
    CHECK(is_at(pointed[3], 10, 20, 0));
    CHECK(pointed[4].wheel == 1);
    CHECK(pointed[5].wheel == 0);
    CHECK(pointed[6].wheel == -1);
    CHECK(pointed[7].horizontal_wheel == 1);
    CHECK(pointed[8].horizontal_wheel == 0);
    CHECK(pointed[8].buttons == 4);
    rig.viewer.reset();
    REQUIRE(kit::eventually([&] { return rig.pointed().size() == 10; }));
    CHECK(is_at(rig.pointed().back(), 10, 20, 0));
}

TEST_CASE("vnc input: a viewer's window asks the guest for its size") {
    InputRig rig;
    // It has said that it can, and has heard that the server can.
    REQUIRE(rig.viewer->until([&] { return rig.viewer->client()->screen.width != 0; }));
    REQUIRE(SendExtDesktopSize(rig.viewer->client(), 800, 600) != FALSE);
    CHECK(kit::eventually([&] { return rig.told_changed == 1; }));
    devices::gpu::ScreenFacts facts;
    rig.on([&] { facts = rig.screen->facts(); });
    CHECK(facts.preferred == Size{.width = 800, .height = 600});
    // No guest could draw that.
    REQUIRE(SendExtDesktopSize(rig.viewer->client(), 1, 1) != FALSE);
    rig.key(XK_a, true);
    // It reads what it is sent, or it would not be read itself.
    CHECK(rig.viewer->until([&] { return rig.typed().size() == 1; }));
    rig.on([&] { facts = rig.screen->facts(); });
    CHECK(facts.preferred == Size{.width = 800, .height = 600});
}

TEST_CASE("vnc input: the viewer has the guest's pointer") {
    InputRig rig;
    devices::gpu::Cursor cursor{.hot_x = 3, .hot_y = 5};
    cursor.pixels.fill(std::byte{0xff});
    rig.on([&] { rig.screen->set_cursor(&cursor); });
    CHECK(rig.viewer->until([&] { return rig.viewer->cursor_width == 64; }));
    CHECK(rig.viewer->cursor_hot_x == 3);
    CHECK(rig.viewer->cursor_hot_y == 5);
    // Who comes later has it, too.
    VncViewer later(rig.settings.address);
    CHECK(later.until([&] { return later.cursor_width == 64; }));
}
