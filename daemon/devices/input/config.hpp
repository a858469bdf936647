// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.8, that an input device and its driver share.
namespace hvisor::devices::input {

inline constexpr std::uint32_t device_id = 18;
inline constexpr std::uint16_t queue_size = 64;

/// virtio 1.2, 5.8.2.
inline constexpr std::size_t event_queue = 0;
inline constexpr std::size_t status_queue = 1;

/// What the driver asks the configuration space for (virtio 1.2, 5.8.4).
enum class Select : std::uint8_t {
    unset = 0x00,
    id_name = 0x01,
    id_serial = 0x02,
    id_devids = 0x03,
    prop_bits = 0x10,
    ev_bits = 0x11,  ///< `subsel` is the type of event
    abs_info = 0x12, ///< `subsel` is the axis
};

inline constexpr std::size_t max_answer = 128;

/// virtio 1.2, 5.8.4: the driver writes the first two, the others follow from them.
struct Config {
    std::uint8_t select = 0;
    std::uint8_t subsel = 0;
    std::uint8_t size = 0; ///< 0: there is no such thing
    std::array<std::uint8_t, 5> reserved{};
    std::array<std::byte, max_answer> answer{};
};
static_assert(sizeof(Config) == 136);

struct AbsInfo {
    std::uint32_t min = 0; ///< signed numbers in the type that virtio has for them
    std::uint32_t max = 0;
    std::uint32_t fuzz = 0;
    std::uint32_t flat = 0;
    std::uint32_t res = 0;
    bool operator==(const AbsInfo&) const = default;
};
static_assert(sizeof(AbsInfo) == 20);

struct DevIds {
    std::uint16_t bustype = 0;
    std::uint16_t vendor = 0;
    std::uint16_t product = 0;
    std::uint16_t version = 0;
    bool operator==(const DevIds&) const = default;
};
static_assert(sizeof(DevIds) == 8);

/// virtio 1.2, 5.8.6: one event in each buffer, of either queue.
struct WireEvent {
    std::uint16_t type = 0;
    std::uint16_t code = 0;
    std::uint32_t value = 0; ///< signed, as above
    bool operator==(const WireEvent&) const = default;
};
static_assert(sizeof(WireEvent) == 8);

} // namespace hvisor::devices::input
