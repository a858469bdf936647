// SPDX-License-Identifier: Apache-2.0
#include "vnc/keyboard.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <xkbcommon/xkbcommon.h>

namespace hvisor::vnc {
namespace {

/// XKB's codes of the "evdev" rules are Linux's and this, as X11 has none below 8.
constexpr xkb_keycode_t offset = 8;

/// What xkeyboard-config has for keys that are on no keyboard, so that modifiers have one:
/// <LVL3>, <MDSW>, <ALT>, <META>, <SUPR>, <HYPR>.
constexpr std::array<xkb_keycode_t, 6> made_up{92, 203, 204, 205, 206, 207};

template <class T, void (*unref)(T*)>
struct Unref {
    void operator()(T* object) const { unref(object); }
};
using Context = std::unique_ptr<xkb_context, Unref<xkb_context, xkb_context_unref>>;
using Keymap = std::unique_ptr<xkb_keymap, Unref<xkb_keymap, xkb_keymap_unref>>;

} // namespace

Result<Keyboard> Keyboard::create(const std::string& layout) {
    const auto bracket = layout.find('(');
    const auto name = layout.substr(0, bracket);
    const auto variant = bracket == std::string::npos
                             ? std::string()
                             : layout.substr(bracket + 1, layout.find(')') - bracket - 1);
    const Context context(xkb_context_new(XKB_CONTEXT_NO_ENVIRONMENT_NAMES));
    if (context) {
        xkb_context_set_log_level(context.get(), XKB_LOG_LEVEL_CRITICAL); // what is wrong is said below
    }
    const xkb_rule_names names{.rules = "evdev",
                               .model = "pc105",
                               .layout = name.c_str(),
                               .variant = variant.c_str(),
                               .options = nullptr};
    const Keymap keymap(
        context ? xkb_keymap_new_from_names(context.get(), &names, XKB_KEYMAP_COMPILE_NO_FLAGS) : nullptr);
    if (!keymap) {
        return fail(ErrorCode::invalid_config,
                    "the keyboard layout \"{}\" cannot be read; expected one of /usr/share/X11/xkb (package "
                    "xkb-data), such as \"us\" or \"de(nodeadkeys)\"",
                    layout);
    }
    Keyboard keyboard;
    // What a key has without Shift goes before what another has with it.
    constexpr xkb_level_index_t levels = 8;
    for (xkb_level_index_t level = 0; level < levels; ++level) {
        for (auto key = xkb_keymap_min_keycode(keymap.get()); key <= xkb_keymap_max_keycode(keymap.get());
             ++key) {
            if (key < offset || std::ranges::contains(made_up, key) ||
                level >= xkb_keymap_num_levels_for_key(keymap.get(), key, 0)) {
                continue;
            }
            const xkb_keysym_t* symbols = nullptr;
            const int count = xkb_keymap_key_get_syms_by_level(keymap.get(), key, 0, level, &symbols);
            for (const xkb_keysym_t symbol :
                 std::span(symbols, static_cast<std::size_t>(std::max(count, 0)))) {
                keyboard.codes_.try_emplace(symbol, static_cast<std::uint16_t>(key - offset));
            }
        }
    }
    return keyboard;
}

std::optional<std::uint16_t> Keyboard::code_of(std::uint32_t symbol) const {
    const auto found = codes_.find(symbol);
    return found != codes_.end() ? std::optional(found->second) : std::nullopt;
}

} // namespace hvisor::vnc
