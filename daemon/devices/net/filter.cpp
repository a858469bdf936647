// SPDX-License-Identifier: Apache-2.0
#include "devices/net/filter.hpp"

#include <algorithm>

namespace hvisor::devices::net {

bool MacTable::contains(const Mac& mac) const {
    return overflown || std::ranges::contains(std::span(entries).first(count), mac);
}

void MacTable::add(const Mac& mac) {
    if (count == capacity) {
        // Too many frames are allowed, too few are not (virtio 1.2, 5.1.6.5.2:
        // the filter is imperfect).
        overflown = true;
        return;
    }
    entries.at(count++) = mac;
}

bool Filter::accepts(const Mac& destination) const {
    if (promiscuous) {
        return true;
    }
    // virtio 1.2, 5.1.6.5.1: a "no" outranks an "all".
    if (destination == broadcast_mac) {
        return !no_broadcast;
    }
    if (is_multicast(destination)) {
        return !no_multicast && (all_multicast || multicast.contains(destination));
    }
    return !no_unicast && (destination == own || all_unicast || unicast.contains(destination));
}

} // namespace hvisor::devices::net
