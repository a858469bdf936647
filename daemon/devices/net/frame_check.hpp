// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"
#include "devices/net/offloads.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace hvisor::devices::net {

/// Why a frame was dropped. The first ones are the guest's faults in what it
/// sends, and judged before the kernel sees any of it.
enum class Drop {
    too_short,     ///< no complete header, or less than an Ethernet header behind it
    too_long,      ///< more than any segment can have
    writable,      ///< a device-writable buffer where frames are sent
    checksum,      ///< a checksum that was not negotiated, or outside the frame
    segmentation,  ///< a kind of segment that is unknown or was not negotiated
    pieces,        ///< more pieces than one system call takes
    refused,       ///< the host's end did not want it: down, or gone
    not_mine,      ///< received, but not for an address the driver listens to
    no_room,       ///< received, but larger than the buffers the driver has to provide
    not_allowed,   ///< received with an offload that the driver has switched off meanwhile
    count_of_them, // last
};

inline constexpr std::size_t drop_kinds = static_cast<std::size_t>(Drop::count_of_them);

/// For the log: "frame too short".
[[nodiscard]] std::string_view to_string(Drop drop);

/// Judge the header of a frame to be sent, `length` bytes long without it,
/// and make of it what the kernel shall see. Nothing: it may be sent.
[[nodiscard]] std::optional<Drop> check_header(Header& header, std::size_t length,
                                               const Offloads& negotiated);

} // namespace hvisor::devices::net
