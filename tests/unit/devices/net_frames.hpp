// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace hvisor::devices::net {

inline constexpr Mac guest_mac{0x02, 0, 0, 0, 1, 1};
inline constexpr Mac host_mac{0x02, 0, 0, 0, 2, 2};
inline constexpr Mac group_mac{0x33, 0x33, 0, 0, 0, 1};

/// An Ethernet frame with a body that belongs to `number`; its type is the one
/// for experiments (0x88b5).
[[nodiscard]] inline std::vector<std::byte> make_frame(const Mac& destination, const Mac& source,
                                                       std::size_t size, unsigned number) {
    std::vector<std::byte> frame(size);
    const EthernetHeader header{.destination = destination, .source = source, .type = {0x88, 0xb5}};
    std::memcpy(frame.data(), &header, std::min(size, sizeof header));
    for (std::size_t i = sizeof header; i < size; ++i) {
        frame[i] = static_cast<std::byte>(i * 31 + number * 7 + (i >> 8) + (number >> 8));
    }
    return frame;
}

[[nodiscard]] inline bool is_test_frame(std::span<const std::byte> frame) {
    return frame.size() >= sizeof(EthernetHeader) && frame[12] == std::byte{0x88} &&
           frame[13] == std::byte{0xb5};
}

} // namespace hvisor::devices::net
