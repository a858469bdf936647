// SPDX-License-Identifier: Apache-2.0
#include "devices/net/offloads.hpp"

namespace hvisor::devices::net {

Offloads Offloads::consistent() const {
    auto result = *this;
    if (!csum) {
        return {};
    }
    result.ecn = ecn && (tso4 || tso6);
    return result;
}

bool Offloads::allow(const Header& header) const {
    if ((header.flags & header_needs_csum) != 0 && !csum) {
        return false;
    }
    const bool has_ecn = (header.gso_type & gso_ecn) != 0;
    switch (header.gso_type & ~gso_ecn) {
    case gso_none:
        return !has_ecn;
    case gso_tcpv4:
        return tso4 && (!has_ecn || ecn);
    case gso_tcpv6:
        return tso6 && (!has_ecn || ecn);
    case gso_udp:
        return ufo && !has_ecn;
    case gso_udp_l4:
        return (uso4 || uso6) && !has_ecn;
    default:
        return false;
    }
}

Offloads guest_offloads(virtio::FeatureSet features) {
    return Offloads{.csum = features.has(f_guest_csum),
                    .tso4 = features.has(f_guest_tso4),
                    .tso6 = features.has(f_guest_tso6),
                    .ecn = features.has(f_guest_ecn),
                    .ufo = features.has(f_guest_ufo),
                    .uso4 = features.has(f_guest_uso4),
                    .uso6 = features.has(f_guest_uso6)}
        .consistent();
}

Offloads host_offloads(virtio::FeatureSet features) {
    return Offloads{.csum = features.has(f_csum),
                    .tso4 = features.has(f_host_tso4),
                    .tso6 = features.has(f_host_tso6),
                    .ecn = features.has(f_host_ecn),
                    .ufo = features.has(f_host_ufo),
                    .uso4 = features.has(f_host_uso),
                    .uso6 = features.has(f_host_uso)}
        .consistent();
}

virtio::FeatureSet offload_features(const Offloads& can) {
    virtio::FeatureSet features;
    const auto offer = [&features](bool possible, virtio::FeatureSet bits) {
        if (possible) {
            features = features | bits;
        }
    };
    offer(can.csum, {f_csum, f_guest_csum, f_ctrl_guest_offloads});
    offer(can.tso4, {f_host_tso4, f_guest_tso4});
    offer(can.tso6, {f_host_tso6, f_guest_tso6});
    offer(can.ecn, {f_host_ecn, f_guest_ecn});
    offer(can.ufo, {f_host_ufo, f_guest_ufo});
    offer(can.uso4, {f_guest_uso4});
    offer(can.uso6, {f_guest_uso6});
    offer(can.uso4 && can.uso6, {f_host_uso});
    return features;
}

} // namespace hvisor::devices::net
