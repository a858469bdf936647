// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/features.hpp"

#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.3, that a console and its driver share.
namespace hvisor::devices::console {

inline constexpr std::uint32_t device_id = 3;
inline constexpr std::uint16_t queue_size = 64;

/// virtio 1.2, 5.3.2: the queues of port 0, then the control queues, then the
/// queues of each further port.
inline constexpr std::size_t receive_queue = 0;  ///< to the guest
inline constexpr std::size_t transmit_queue = 1; ///< from the guest
inline constexpr std::size_t control_receive_queue = 2;
inline constexpr std::size_t control_transmit_queue = 3;

[[nodiscard]] constexpr std::size_t receive_queue_of(std::size_t port) {
    return port == 0 ? receive_queue : 2 * port + 2;
}
[[nodiscard]] constexpr std::size_t transmit_queue_of(std::size_t port) {
    return receive_queue_of(port) + 1;
}
/// Of a queue that is no control queue.
[[nodiscard]] constexpr std::size_t port_of(std::size_t queue) {
    return queue < control_receive_queue ? 0 : queue / 2 - 1;
}
[[nodiscard]] constexpr std::size_t queue_count_of(std::size_t ports) {
    return ports == 1 ? 2 : 2 * ports + 2;
}

inline constexpr auto f_size = virtio::FeatureBit{0};
inline constexpr auto f_multiport = virtio::FeatureBit{1};
inline constexpr auto f_emerg_write = virtio::FeatureBit{2};

/// virtio 1.2, 5.3.4.
struct Config {
    std::uint16_t cols;
    std::uint16_t rows;
    std::uint32_t max_nr_ports;
    std::uint32_t emerg_wr;
};
static_assert(offsetof(Config, max_nr_ports) == 4);
static_assert(sizeof(Config) == 12);

/// virtio 1.2, 5.3.6.2: what a control message is about.
enum class ControlEvent : std::uint16_t {
    device_ready = 0,  ///< from the driver
    device_add = 1,    ///< to the driver
    device_remove = 2, ///< to the driver
    port_ready = 3,    ///< from the driver
    console_port = 4,  ///< to the driver
    resize = 5,        ///< to the driver; a Resize follows
    port_open = 6,     ///< both ways
    port_name = 7,     ///< to the driver; the name follows, without a NUL
};

struct Control {
    std::uint32_t id; ///< of the port
    std::uint16_t event;
    std::uint16_t value;
};
static_assert(sizeof(Control) == 8);

/// In this order in the specification. Linux read rows first before 6.15, and
/// before 6.12.65 in that series.
struct Resize {
    std::uint16_t cols;
    std::uint16_t rows;
};
static_assert(sizeof(Resize) == 4);

} // namespace hvisor::devices::console
