// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <linux/input-event-codes.h>
#include <span>
#include <type_traits>

// What happens to keys and axes, in Linux's words: virtio 1.2, 5.8, has them from there.
namespace hvisor::devices::input {

enum class EventType : std::uint16_t {
    synchronization = EV_SYN,
    key = EV_KEY, ///< buttons are keys, too
    relative = EV_REL,
    absolute = EV_ABS,
    miscellaneous = EV_MSC,
    switches = EV_SW,
    led = EV_LED,
    sound = EV_SND,
    repeat = EV_REP,
};

/// The values of a key's event.
inline constexpr std::int32_t key_up = 0;
inline constexpr std::int32_t key_down = 1;
inline constexpr std::int32_t key_repeated = 2; ///< it has been down for a while

struct Event {
    EventType type = EventType::synchronization;
    std::uint16_t code = 0; ///< KEY_A, REL_X
    std::int32_t value = 0;
    bool operator==(const Event&) const = default;
};
static_assert(std::is_trivially_copyable_v<Event>);

/// What ends every group of events that belong together.
inline constexpr Event report{.type = EventType::synchronization, .code = SYN_REPORT, .value = 0};

/// Events that happened at once, without the report at their end.
using Group = std::span<const Event>;

/// Of all types together; a code of any type is below it.
inline constexpr std::size_t max_codes = KEY_CNT;

} // namespace hvisor::devices::input
