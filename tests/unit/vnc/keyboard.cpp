// SPDX-License-Identifier: Apache-2.0
#include "vnc/keyboard.hpp"

#include <catch2/catch_test_macros.hpp>
#include <linux/input-event-codes.h>
#include <xkbcommon/xkbcommon-keysyms.h>

using namespace hvisor::vnc;

TEST_CASE("keyboard: the key that has a symbol, with or without Shift") {
    const auto keyboard = Keyboard::create("us");
    REQUIRE(keyboard);
    CHECK(keyboard->code_of(XKB_KEY_a) == KEY_A);
    CHECK(keyboard->code_of(XKB_KEY_A) == KEY_A);
    CHECK(keyboard->code_of(XKB_KEY_at) == KEY_2);
    CHECK(keyboard->code_of(XKB_KEY_Return) == KEY_ENTER);
    CHECK(keyboard->code_of(XKB_KEY_KP_Enter) == KEY_KPENTER);
    CHECK(keyboard->code_of(XKB_KEY_Left) == KEY_LEFT);
    CHECK(keyboard->code_of(XKB_KEY_F12) == KEY_F12);
    CHECK(keyboard->code_of(XKB_KEY_Shift_L) == KEY_LEFTSHIFT);
    CHECK(keyboard->code_of(XKB_KEY_Control_R) == KEY_RIGHTCTRL);
    CHECK(keyboard->code_of(XKB_KEY_Super_L) == KEY_LEFTMETA);
    CHECK(keyboard->code_of(XKB_KEY_Delete) == KEY_DELETE);
}

TEST_CASE("keyboard: the layout decides, and its variant") {
    const auto german = Keyboard::create("de");
    REQUIRE(german);
    CHECK(german->code_of(XKB_KEY_z) == KEY_Y);
    CHECK(german->code_of(XKB_KEY_odiaeresis) == KEY_SEMICOLON);
    CHECK(german->code_of(XKB_KEY_at) == KEY_Q);
    CHECK(german->code_of(XKB_KEY_ISO_Level3_Shift) == KEY_RIGHTALT);
    CHECK(german->code_of(XKB_KEY_dead_circumflex) == KEY_GRAVE);
    const auto without_dead_keys = Keyboard::create("de(nodeadkeys)");
    REQUIRE(without_dead_keys);
    CHECK(without_dead_keys->code_of(XKB_KEY_asciicircum) == KEY_GRAVE);
}

TEST_CASE("keyboard: a symbol that no key has") {
    CHECK_FALSE(Keyboard::create("us")->code_of(XKB_KEY_odiaeresis));
    CHECK_FALSE(Keyboard::create("us")->code_of(0));
    CHECK_FALSE(Keyboard::create("us")->code_of(UINT32_MAX));
}

TEST_CASE("keyboard: a layout that is not there") {
    const auto none = Keyboard::create("xx(yy)");
    REQUIRE_FALSE(none);
    CHECK(none.error().message.contains("the keyboard layout \"xx(yy)\" cannot be read"));
}
