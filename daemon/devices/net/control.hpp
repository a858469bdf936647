// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"
#include "devices/net/filter.hpp"
#include "devices/net/offloads.hpp"
#include "virtio/chain.hpp"
#include "virtio/features.hpp"

#include <cstdint>
#include <type_traits>

namespace hvisor::devices::net {

/// What a driver sets at run time; plain data that can be saved.
struct ControlState {
    Filter filter;
    Offloads receiving; ///< what the driver takes
    std::uint16_t pairs = 1;
};
static_assert(std::is_trivially_copyable_v<ControlState>);

/// virtio 1.2, 5.1.6.5.
inline constexpr std::uint8_t ack_ok = 0;
inline constexpr std::uint8_t ack_error = 1;

enum class ControlClass : std::uint8_t { rx = 0, mac = 1, mq = 4, guest_offloads = 5 };
enum class RxCommand : std::uint8_t {
    promiscuous = 0,
    all_multicast = 1,
    all_unicast = 2,
    no_multicast = 3,
    no_unicast = 4,
    no_broadcast = 5,
};
enum class MacCommand : std::uint8_t { table_set = 0, addr_set = 1 };
enum class MqCommand : std::uint8_t { pairs_set = 0 };
enum class GuestOffloadsCommand : std::uint8_t { set = 0 };

/// What a command asks of the device beyond the state it changed.
enum class ControlOutcome {
    failed, ///< and nothing has changed
    done,
    mac_changed,
    backend_changed, ///< the host's end is to be told of new offloads or pairs
};

/// Carry out the command in the readable part of a chain, each byte of which is looked at once.
[[nodiscard]] ControlOutcome run_command(virtio::Reader command, virtio::FeatureSet negotiated,
                                         std::uint16_t most_pairs, ControlState& state);

} // namespace hvisor::devices::net
