// SPDX-License-Identifier: Apache-2.0
#include "devices/net/control.hpp"

#include <algorithm>

namespace hvisor::devices::net {
namespace {

using enum ControlOutcome;

/// The features by which a driver may set offloads, and the bits of the command (virtio 1.2, 5.1.6.5.6.1).
constexpr virtio::FeatureSet offload_bits{f_guest_csum, f_guest_tso4, f_guest_tso6, f_guest_ecn,
                                          f_guest_ufo,  f_guest_uso4, f_guest_uso6};

bool Filter::* rx_switch(std::uint8_t command, virtio::FeatureSet negotiated) {
    const bool has_extra = negotiated.has(f_ctrl_rx_extra);
    switch (static_cast<RxCommand>(command)) {
    case RxCommand::promiscuous:
        return &Filter::promiscuous;
    case RxCommand::all_multicast:
        return &Filter::all_multicast;
    case RxCommand::all_unicast:
        return has_extra ? &Filter::all_unicast : nullptr;
    case RxCommand::no_multicast:
        return has_extra ? &Filter::no_multicast : nullptr;
    case RxCommand::no_unicast:
        return has_extra ? &Filter::no_unicast : nullptr;
    case RxCommand::no_broadcast:
        return has_extra ? &Filter::no_broadcast : nullptr;
    }
    return nullptr;
}

ControlOutcome set_rx(virtio::Reader& data, std::uint8_t command, virtio::FeatureSet negotiated,
                      ControlState& state) {
    const auto which = rx_switch(command, negotiated);
    const auto on = data.read<std::uint8_t>();
    if (!negotiated.has(f_ctrl_rx) || which == nullptr || !on || data.remaining() != 0) {
        return failed;
    }
    state.filter.*which = *on != 0;
    return done;
}

/// One list of virtio_net_ctrl_mac; false when it is longer than what is there.
bool read_table(virtio::Reader& data, MacTable& table) {
    const auto entries = data.read<std::uint32_t>();
    if (!entries || *entries > data.remaining() / sizeof(Mac)) {
        return false;
    }
    table.clear();
    const auto taken = std::min<std::uint32_t>(*entries, MacTable::capacity + 1);
    for (std::uint32_t i = 0; i < taken; ++i) {
        table.add(*data.read<Mac>());
    }
    data.skip((*entries - taken) * sizeof(Mac));
    return true;
}

ControlOutcome set_mac(virtio::Reader& data, std::uint8_t command, virtio::FeatureSet negotiated,
                       ControlState& state) {
    switch (static_cast<MacCommand>(command)) {
    case MacCommand::table_set: {
        MacTable unicast;
        MacTable multicast;
        if (!negotiated.has(f_ctrl_rx) || !read_table(data, unicast) || !read_table(data, multicast) ||
            data.remaining() != 0) {
            return failed;
        }
        state.filter.unicast = unicast;
        state.filter.multicast = multicast;
        return done;
    }
    case MacCommand::addr_set: {
        const auto mac = data.read<Mac>();
        if (!negotiated.has(f_ctrl_mac_addr) || !mac || data.remaining() != 0 || is_multicast(*mac)) {
            return failed;
        }
        state.filter.own = *mac;
        return mac_changed;
    }
    }
    return failed;
}

ControlOutcome set_pairs(virtio::Reader& data, std::uint8_t command, virtio::FeatureSet negotiated,
                         std::uint16_t most_pairs, ControlState& state) {
    const auto pairs = data.read<std::uint16_t>();
    if (static_cast<MqCommand>(command) != MqCommand::pairs_set || !negotiated.has(f_mq) || !pairs ||
        data.remaining() != 0 || *pairs == 0 || *pairs > most_pairs) {
        return failed;
    }
    state.pairs = *pairs;
    return backend_changed;
}

ControlOutcome set_offloads(virtio::Reader& data, std::uint8_t command, virtio::FeatureSet negotiated,
                            ControlState& state) {
    const auto bits = data.read<std::uint64_t>();
    if (static_cast<GuestOffloadsCommand>(command) != GuestOffloadsCommand::set ||
        !negotiated.has(f_ctrl_guest_offloads) || !bits || data.remaining() != 0) {
        return failed;
    }
    const auto wanted = virtio::FeatureSet::from_bits(*bits);
    // virtio 1.2, 5.1.6.5.6.2: only what was negotiated.
    if (!wanted.is_subset_of(offload_bits) || !wanted.is_subset_of(negotiated)) {
        return failed;
    }
    state.receiving = guest_offloads(wanted);
    return backend_changed;
}

} // namespace

ControlOutcome run_command(virtio::Reader command, virtio::FeatureSet negotiated, std::uint16_t most_pairs,
                           ControlState& state) {
    const auto type = command.read<std::uint8_t>();
    const auto number = command.read<std::uint8_t>();
    if (!type || !number) {
        return failed;
    }
    switch (static_cast<ControlClass>(*type)) {
    case ControlClass::rx:
        return set_rx(command, *number, negotiated, state);
    case ControlClass::mac:
        return set_mac(command, *number, negotiated, state);
    case ControlClass::mq:
        return set_pairs(command, *number, negotiated, most_pairs, state);
    case ControlClass::guest_offloads:
        return set_offloads(command, *number, negotiated, state);
    }
    return failed;
}

} // namespace hvisor::devices::net
