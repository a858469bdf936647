// SPDX-License-Identifier: Apache-2.0
#include "zone/read_vnc_config.hpp"

#include "viewer/address.hpp"
#include "viewer/messages.hpp"

#include <algorithm>
#include <format>
#include <string>
#include <string_view>
#include <sys/un.h>

namespace hvisor::zone {
namespace {

constexpr std::string_view usual_keymap = "us";

bool is_printable(char c) {
    return c > ' ' && c < 0x7f;
}

bool is_layout_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// "de" or "de(nodeadkeys)". Whether there is such a layout is xkeyboard-config's to say.
bool is_layout(std::string_view name) {
    if (name.empty() || name.size() >= sizeof(decltype(viewer::Serve::keymap))) {
        return false;
    }
    const auto bracket = name.find('(');
    const auto layout = name.substr(0, bracket);
    if (bracket != std::string_view::npos) {
        auto variant = name.substr(bracket + 1);
        if (!variant.ends_with(')')) {
            return false;
        }
        variant.remove_suffix(1);
        if (variant.empty() || !std::ranges::all_of(variant, is_layout_letter)) {
            return false;
        }
    }
    return !layout.empty() && std::ranges::all_of(layout, is_layout_letter);
}

/// Whether only who has an account on the machine can connect there.
bool is_local(std::string_view address) {
    const auto internet = viewer::parse_internet_address(address);
    return !internet || internet->is_loopback;
}

std::string read_listen(const ConfigReader& value) {
    constexpr std::string_view expected =
        R"(an address such as "127.0.0.1:5900" or "[::1]:5900", or the path of a socket such as )"
        R"("/run/hvisor/vnc/linux2")";
    const auto listen = value.string(expected);
    if (!listen) {
        return {};
    }
    const bool is_path = listen->starts_with('/') && listen->size() < sizeof(sockaddr_un::sun_path) &&
                         std::ranges::all_of(*listen, is_printable);
    if (!is_path && !viewer::parse_internet_address(*listen)) {
        value.problem(std::format(R"("{}" is nothing to listen at; expected {})", *listen, expected));
        return {};
    }
    return *listen;
}

} // namespace

VncConfig read_vnc_config(const ConfigReader& value) {
    VncConfig vnc{.keymap = std::string(usual_keymap), .pointer = value.pointer()};
    if (!value.require_object("listen, password_file and keymap, all of which may be missing")) {
        return vnc;
    }
    const auto listen = value.find("listen");
    if (listen) {
        vnc.listen = read_listen(*listen);
    }
    if (const auto file = value.find("password_file")) {
        vnc.password_file = file->string("the path of a file with a password").value_or("");
        if (vnc.password_file.empty()) {
            file->problem("this names no file; expected the path of one with a password");
        }
    } else if (listen && !is_local(vnc.listen)) {
        listen->problem(std::format("everybody who can reach {} could use the zone's screen; expected "
                                    "password_file beside it, or an address of this machine alone",
                                    vnc.listen));
    }
    if (const auto keymap = value.find("keymap")) {
        const auto name = keymap->string(R"x(a keyboard layout such as "us" or "de(nodeadkeys)")x");
        if (name && !is_layout(*name)) {
            keymap->problem(std::format(
                R"x("{}" names no keyboard layout; expected one such as "us" or "de(nodeadkeys)")x", *name));
        }
        vnc.keymap = name.value_or(vnc.keymap);
    }
    return vnc;
}

} // namespace hvisor::zone
