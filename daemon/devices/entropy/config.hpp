// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.4, that an entropy device and its driver share.
namespace hvisor::devices::entropy {

inline constexpr std::uint32_t device_id = 4;
inline constexpr std::uint16_t queue_size = 64;

/// virtio 1.2, 5.4.2.
inline constexpr std::size_t request_queue = 0;

/// What one request gets at most; the driver asks again for more. Linux asks
/// for a cache line at a time, so this bounds what others ask for.
inline constexpr std::size_t max_request = std::size_t{64} << 10;

} // namespace hvisor::devices::entropy
