// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/features.hpp"

#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.10, that a socket device and its driver share.
namespace hvisor::devices::vsock {

inline constexpr std::uint32_t device_id = 19;
inline constexpr std::uint16_t queue_size = 128;

// virtio 1.2, 5.10.2.
inline constexpr std::size_t receive_queue = 0;
inline constexpr std::size_t transmit_queue = 1;
inline constexpr std::size_t event_queue = 2;

/// virtio 1.2, 5.10.3.
inline constexpr auto f_seqpacket = virtio::FeatureBit{1};

/// virtio 1.2, 5.10.4: 0, 1 and 2 have meanings of their own, and so has 2^32 - 1
/// for Linux (VMADDR_CID_ANY); the upper half is zero.
inline constexpr std::uint32_t least_cid = 3;
inline constexpr std::uint32_t largest_cid = UINT32_MAX - 1;

/// virtio 1.2, 5.10.6.7. There is one event: TRANSPORT_RESET, no connection is left.
struct Event {
    std::uint32_t id = 0;
};

} // namespace hvisor::devices::vsock
