// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/features.hpp"

#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.3, that a console and its driver share.
namespace hvisor::devices::console {

inline constexpr std::uint32_t device_id = 3;
inline constexpr std::uint16_t queue_size = 64;

/// virtio 1.2, 5.3.2: the queues of port 0, the only one.
inline constexpr std::size_t receive_queue = 0;  ///< to the guest
inline constexpr std::size_t transmit_queue = 1; ///< from the guest

inline constexpr auto f_size = virtio::FeatureBit{0};

/// virtio 1.2, 5.3.4.
struct Config {
    std::uint16_t cols;
    std::uint16_t rows;
    std::uint32_t max_nr_ports;
    std::uint32_t emerg_wr;
};
static_assert(offsetof(Config, max_nr_ports) == 4);
static_assert(sizeof(Config) == 12);

} // namespace hvisor::devices::console
