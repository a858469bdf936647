// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/canvas.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::devices::gpu {

/// What is to be seen on one scanout: pixels that belong to the driver, in
/// whatever format it chose.
class Picture {
  public:
    Picture() = default;
    Picture(const Picture&) = delete;
    Picture& operator=(const Picture&) = delete;
    Picture(Picture&&) = delete;
    Picture& operator=(Picture&&) = delete;
    virtual ~Picture() = default;

    [[nodiscard]] virtual Size size() const = 0;
    /// Copy `part`, which fits size(), to the same place of `to`, which is as large.
    virtual void paint(const Rect& part, const Canvas& to) const = 0;
};

/// A pointer of 64 x 64 pixels (virtio 1.2, 5.7.6.10): blue, green, red, alpha.
/// The colours are premultiplied: Linux's driver passes on what a DRM cursor
/// plane has, and DRM's planes are so.
struct Cursor {
    static constexpr std::uint32_t side = 64;
    std::array<std::byte, std::size_t{side} * side * bytes_per_pixel> pixels{};
    std::uint32_t hot_x = 0; ///< the pixel that points, below `side`
    std::uint32_t hot_y = 0;
};

/// Where the upper left pixel of its image is: what Linux's driver sends, and
/// what a cursor plane takes. The hot spot is not in it. May be off the screen.
struct CursorPosition {
    std::int32_t x = 0;
    std::int32_t y = 0;
};

/// What drivers are told, in mHz, of a screen that has no rate of its own.
inline constexpr std::uint32_t default_refresh = 60000;

/// What a screen is, before anything is shown.
struct ScreenFacts {
    bool is_connected = true;
    std::string connector{};                 ///< "HDMI-A-1" of a graphics card; "" where there is none
    Size preferred{};                        ///< its own mode
    std::uint32_t refresh = default_refresh; ///< of that mode, in mHz
    Size millimetres{};                      ///< of the picture; 0 x 0 when not known
    std::vector<std::byte> edid{};           ///< the display's own; empty: one is made of the above
    std::string remote{};                    ///< where it can be seen by VNC; "" where it cannot
};

/// The back end of one scanout: what shows its picture. Everything but
/// construction and destruction happens on the device's owner thread, and
/// nothing blocks for longer than drawing takes.
///
/// Frames are numbered from 1. A frame that was presented is shown now or
/// later, in order; while one is on its way the next ones may be joined to one.
class Screen {
  public:
    struct Listener {
        std::function<void()> shown;   ///< shown() is larger than when a call of the screen returned
        std::function<void()> changed; ///< facts() are not what they were
    };

    Screen() = default;
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    Screen(Screen&&) = delete;
    Screen& operator=(Screen&&) = delete;
    virtual ~Screen() = default;

    /// Who is told, never from inside a call of this class.
    void listen(Listener listener) { listener_ = std::move(listener); }

    [[nodiscard]] virtual ScreenFacts facts() const = 0;

    /// Show this picture, which stays until turn_off() or the next turn_on();
    /// all of it is drawn at once. Errors name the connector; it is off then.
    [[nodiscard]] virtual Result<void> turn_on(const Picture& picture) = 0;
    /// Nothing is shown any more, also of what a process before this one showed, and
    /// every frame counts as shown. What is lent by others (a connector) may be given back.
    virtual void turn_off() = 0;

    /// This part of the picture, which fits it, has changed. Returns the frame's number.
    [[nodiscard]] virtual std::uint64_t present(const Rect& damage) = 0;
    /// The last frame that is to be seen.
    [[nodiscard]] virtual std::uint64_t shown() const = 0;

    /// Null: none.
    virtual void set_cursor(const Cursor* cursor) = 0;
    virtual void move_cursor(CursorPosition position) = 0;

    /// The pixels of the frame that was shown last, without the cursor, into
    /// `to`, which has the size of the picture. False when it is off.
    [[nodiscard]] virtual bool read(const Canvas& to) const = 0;

    /// The size that the driver is asked to use from now on. `wrong_state`
    /// where the display decides, `invalid_config` when it is too large.
    [[nodiscard]] virtual Result<void> resize(Size size) = 0;

    /// How many look at it by VNC. Any thread.
    [[nodiscard]] virtual std::size_t viewers() const { return 0; }

    /// Let go of everything; nothing is called afterwards.
    virtual void close() = 0;

  protected:
    [[nodiscard]] const Listener& listener() const { return listener_; }

  private:
    Listener listener_;
};

} // namespace hvisor::devices::gpu
