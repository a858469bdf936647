// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace hvisor::devices::input {
class InputDevice;
}

namespace hvisor::zone {

class DeviceSlot;

/// The keyboards and pointers of one zone, for whoever sits before its screen. Any thread.
///
/// Those that are made for the zone; a real one of the root zone has its own user.
class ZoneInputs {
  public:
    /// A key of linux/input-event-codes.h goes down or up on the zone's first virtual keyboard.
    /// False when the zone has none (or code is not one it has).
    bool key(std::uint16_t code, bool is_pressed);

    /// The pointer is at (x, y) of a picture of `size` pixels with these buttons down (bit 0 left,
    /// 1 middle, 2 right, 3 side, 4 extra) and so many steps of wheels turned; goes to the first tablet, or
    /// as relative movement to the first mouse. False when the zone has neither.
    struct Pointer {
        std::uint32_t x = 0;
        std::uint32_t y = 0;
        std::uint32_t width = 0;
        std::uint32_t height = 0;
        std::uint32_t buttons = 0;
        std::int32_t wheel = 0;            ///< up is positive
        std::int32_t horizontal_wheel = 0; ///< to the right is positive
    };
    bool point(const Pointer& pointer);

    /// All keys and buttons that are down go up.
    void release_all();

    /// Whether the zone has a virtual keyboard, and its driver runs.
    [[nodiscard]] bool has_keyboard() const;
    /// Whether these can be typed now; else why not.
    [[nodiscard]] Result<void> check_keys(std::span<const std::uint16_t> codes) const;

    /// The zone's devices from now on, of whatever type.
    void set_devices(const std::vector<std::shared_ptr<DeviceSlot>>& slots);

  private:
    /// The first that is made for the zone and has this; null where there is none. Its slot is kept
    /// meanwhile.
    [[nodiscard]] std::shared_ptr<devices::input::InputDevice> find(std::uint16_t type,
                                                                    std::uint16_t code) const;
    void move(devices::input::InputDevice& device, const Pointer& pointer, bool is_absolute);

    mutable std::mutex lock_;
    std::vector<std::weak_ptr<DeviceSlot>> slots_;                ///< under lock_, those of input devices
    std::optional<std::pair<std::uint32_t, std::uint32_t>> last_; ///< the same, where the pointer was
};

} // namespace hvisor::zone
