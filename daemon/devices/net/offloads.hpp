// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"
#include "virtio/features.hpp"

#include <cstdint>

namespace hvisor::devices::net {

/// What one side of the cable can take: frames without a checksum, and
/// segments that are larger than the MTU. Plain data.
struct Offloads {
    bool csum = false;
    bool tso4 = false;
    bool tso6 = false;
    bool ecn = false; ///< TCP segments with CWR set
    bool ufo = false;
    bool uso4 = false;
    bool uso6 = false;

    bool operator==(const Offloads&) const = default;

    [[nodiscard]] bool has_segments() const { return tso4 || tso6 || ufo || uso4 || uso6; }

    /// Nothing that depends on something that is not there (virtio 1.2, 5.1.3.1).
    [[nodiscard]] Offloads consistent() const;

    /// Whether this side may be handed a frame with that header.
    [[nodiscard]] bool allow(const Header& header) const;
};

/// What the driver takes from us (GUEST_…), and we from it (HOST_…).
[[nodiscard]] Offloads guest_offloads(virtio::FeatureSet features);
[[nodiscard]] Offloads host_offloads(virtio::FeatureSet features);

/// The features by which a device offers both, where the host end can do `can`.
[[nodiscard]] virtio::FeatureSet offload_features(const Offloads& can);

/// The bits of VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET (virtio 1.2, 5.1.6.5.6): the
/// numbers of the features.
[[nodiscard]] inline Offloads offloads_of_command(std::uint64_t bits) {
    return guest_offloads(virtio::FeatureSet::from_bits(bits));
}

} // namespace hvisor::devices::net
