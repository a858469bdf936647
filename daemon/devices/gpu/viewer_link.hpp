// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/reactor.hpp"
#include "base/unique_fd.hpp"
#include "devices/gpu/canvas.hpp"
#include "devices/gpu/screen.hpp"
#include "viewer/link.hpp"

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace hvisor::devices::gpu {

/// What somebody at a distance types and points at.
struct RemoteInput {
    /// A key of linux/input-event-codes.h goes down or up.
    std::function<void(std::uint16_t code, bool is_pressed)> key;
    /// The pointer is inside a picture of that size.
    std::function<void(const viewer::Pointer& pointer, Size picture)> point;
    std::function<void(Size size)> resize;
};

/// What viewers are shown: pixels in a memory file, which is open for reading only;
/// without one, a dark screen of that size.
struct RemotePicture {
    UniqueFd file{};
    Size size{};
    std::size_t stride = 0;
};

/// One viewer, who is served by a process of its own. Nothing waits for it: what
/// changes while it does not read is told once it does, however often it changed.
/// The reactor's thread only.
class ViewerLink {
  public:
    /// All of these outlive it. `gone` is called once, when the viewer has left, from
    /// no call of this class, and this may be destroyed in it.
    struct Display {
        Reactor& owner;
        const RemotePicture& picture;
        const std::optional<Cursor>& cursor;
        const RemoteInput& input;
        std::function<void(ViewerLink&)> gone;
    };

    ViewerLink(UniqueFd socket, Display display);
    ViewerLink(const ViewerLink&) = delete;
    ViewerLink& operator=(const ViewerLink&) = delete;
    ViewerLink(ViewerLink&&) = delete;
    ViewerLink& operator=(ViewerLink&&) = delete;
    /// What the viewer holds down goes up.
    ~ViewerLink();

    /// Once, first. Fails without room for another descriptor.
    [[nodiscard]] Result<void> start();

    /// Another picture is to be seen.
    void tell_picture();
    /// This part of it has changed.
    void tell_change(const Rect& part);
    void tell_cursor();

  private:
    void serve(std::uint32_t events);
    /// False once the viewer has gone.
    [[nodiscard]] bool flush();
    [[nodiscard]] viewer::Sent send_next();
    [[nodiscard]] bool read();
    [[nodiscard]] bool take(viewer::Received& message);
    [[nodiscard]] bool take_key(const viewer::Key& key);
    [[nodiscard]] bool take_pointer(const viewer::Pointer& pointer);
    void flush_later();

    static constexpr std::size_t keys = 0x300; ///< KEY_CNT of linux/input-event-codes.h

    const Display display_;
    viewer::Link link_;
    bool picture_is_new_ = true;
    bool cursor_is_new_ = true;
    Rect changed_;
    bool waits_for_room_ = false;
    std::bitset<keys> pressed_;
    viewer::Pointer pointer_{}; ///< the last
};

} // namespace hvisor::devices::gpu
