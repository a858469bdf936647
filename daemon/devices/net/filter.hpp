// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"

#include <array>
#include <cstdint>
#include <span>

namespace hvisor::devices::net {

/// Addresses that a driver listed (virtio 1.2, 5.1.6.5.2).
struct MacTable {
    static constexpr std::size_t capacity = 64;

    std::array<Mac, capacity> entries{};
    std::uint32_t count = 0;
    bool overflown = false; ///< more than fit: every address matches

    [[nodiscard]] bool contains(const Mac& mac) const;
    /// `add` for each address of a new list, after clear().
    void clear() {
        count = 0;
        overflown = false;
    }
    void add(const Mac& mac);
};

/// Which frames a driver wants to receive. Plain data.
struct Filter {
    /// For a driver that cannot set a filter (no CTRL_RX): everything.
    static constexpr Filter everything(const Mac& own) {
        Filter filter;
        filter.own = own;
        filter.promiscuous = true;
        return filter;
    }
    /// virtio 1.2, 5.1.6.5.2.2: the table is empty after a reset.
    static constexpr Filter own_only(const Mac& own) {
        Filter filter;
        filter.own = own;
        return filter;
    }

    [[nodiscard]] bool accepts(const Mac& destination) const;

    Mac own{};
    bool promiscuous = false;
    bool all_multicast = false;
    bool all_unicast = false;
    bool no_multicast = false;
    bool no_unicast = false;
    bool no_broadcast = false;
    MacTable unicast;
    MacTable multicast;
};

} // namespace hvisor::devices::net
