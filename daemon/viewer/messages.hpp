// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fixed_text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// What hvisord and hvisor-vnc say to each other over SOCK_SEQPACKET sockets, one
// message a packet. Both come from one package and run on one machine: numbers are
// the machine's own, and another version is refused rather than understood.
//
// hvisord connects to hvisor-vnc once a display and sends Serve. For each viewer that
// connects, hvisor-vnc sends Viewer with one end of a new socket pair, over which
// hvisord tells what is to be seen and gets what is typed.
namespace hvisor::viewer {

inline constexpr std::uint32_t protocol_version = 1;

enum class Kind : std::uint32_t {
    // About a display:
    serve,   ///< hvisord to hvisor-vnc
    viewer,  ///< hvisor-vnc to hvisord: somebody has come, with a socket
    trouble, ///< hvisor-vnc to hvisord
    // hvisord to whoever serves a viewer:
    picture,
    dark,
    changed,
    cursor,
    no_cursor,
    // And back:
    key,
    pointer,
    resize,
};

template <std::size_t size>
using Text = FixedText<size>;
using hvisor::text_of;
using hvisor::view_of;

/// VNC's own authentication uses no more of a password.
inline constexpr std::size_t max_password = 8;

/// Serve a display. With the listening socket, unless `address` is one to listen at.
struct Serve {
    static constexpr auto kind = Kind::serve;
    std::uint32_t version;
    Text<128> name;              ///< what viewers see in their title
    Text<64> address;            ///< "127.0.0.1:5900", "[::1]:5900"; "": the socket is there
    Text<32> keymap;             ///< an XKB layout: "us", "de(nodeadkeys)"
    Text<max_password> password; ///< "": none is asked for
};

struct Viewer {
    static constexpr auto kind = Kind::viewer;
};

/// It ends after that: what is wrong, for people.
struct Trouble {
    static constexpr auto kind = Kind::trouble;
    Text<256> text;
};

/// From now on this is to be seen: a memory file, which comes with it, of `height` rows
/// of `stride` bytes; the bytes of a pixel are blue, green, red and nothing.
struct Picture {
    static constexpr auto kind = Kind::picture;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t stride;
};

/// Nothing is to be seen, of that size.
struct Dark {
    static constexpr auto kind = Kind::dark;
    std::uint32_t width;
    std::uint32_t height;
};

/// This part of the picture is another one now.
struct Changed {
    static constexpr auto kind = Kind::changed;
    std::uint32_t x;
    std::uint32_t y;
    std::uint32_t width;
    std::uint32_t height;
};

/// The mouse pointer, 64 x 64 pixels of blue, green, red and alpha, premultiplied.
struct Cursor {
    static constexpr auto kind = Kind::cursor;
    static constexpr std::uint32_t side = 64;
    std::uint32_t hot_x;
    std::uint32_t hot_y;
    std::array<std::byte, std::size_t{side} * side * 4> pixels;
};

struct NoCursor {
    static constexpr auto kind = Kind::no_cursor;
};

struct Key {
    static constexpr auto kind = Kind::key;
    std::uint16_t code; ///< of linux/input-event-codes.h
    std::uint16_t is_pressed;
};

/// Where the viewer's pointer is, in pixels of the picture, and what its buttons are:
/// bit 0 left, 1 middle, 2 right, 3 side, 4 extra. Steps of the wheels since the last.
struct Pointer {
    static constexpr auto kind = Kind::pointer;
    std::uint32_t x;
    std::uint32_t y;
    std::uint32_t buttons;
    std::int32_t wheel;            ///< up is positive
    std::int32_t horizontal_wheel; ///< right is positive
};

/// The viewer would like another size.
struct Resize {
    static constexpr auto kind = Kind::resize;
    std::uint32_t width;
    std::uint32_t height;
};

template <class T>
concept Message = std::is_trivially_copyable_v<T> && std::is_same_v<decltype(T::kind), const Kind>;

} // namespace hvisor::viewer
