// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/features.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.1, that a network device and its driver share.
namespace hvisor::devices::net {

inline constexpr std::uint32_t device_id = 1;
inline constexpr std::uint16_t queue_size = 256;
inline constexpr std::uint16_t control_queue_size = 64;
/// Two queues a pair and the control queue in the 16 that a device can have.
inline constexpr std::uint16_t max_pairs = 7;

// virtio 1.2, 5.1.3.
inline constexpr auto f_csum = virtio::FeatureBit{0};
inline constexpr auto f_guest_csum = virtio::FeatureBit{1};
inline constexpr auto f_ctrl_guest_offloads = virtio::FeatureBit{2};
inline constexpr auto f_mtu = virtio::FeatureBit{3};
inline constexpr auto f_mac = virtio::FeatureBit{5};
inline constexpr auto f_guest_tso4 = virtio::FeatureBit{7};
inline constexpr auto f_guest_tso6 = virtio::FeatureBit{8};
inline constexpr auto f_guest_ecn = virtio::FeatureBit{9};
inline constexpr auto f_guest_ufo = virtio::FeatureBit{10};
inline constexpr auto f_host_tso4 = virtio::FeatureBit{11};
inline constexpr auto f_host_tso6 = virtio::FeatureBit{12};
inline constexpr auto f_host_ecn = virtio::FeatureBit{13};
inline constexpr auto f_host_ufo = virtio::FeatureBit{14};
inline constexpr auto f_mrg_rxbuf = virtio::FeatureBit{15};
inline constexpr auto f_status = virtio::FeatureBit{16};
inline constexpr auto f_ctrl_vq = virtio::FeatureBit{17};
inline constexpr auto f_ctrl_rx = virtio::FeatureBit{18};
inline constexpr auto f_ctrl_rx_extra = virtio::FeatureBit{20};
inline constexpr auto f_mq = virtio::FeatureBit{22};
inline constexpr auto f_ctrl_mac_addr = virtio::FeatureBit{23};
inline constexpr auto f_guest_uso4 = virtio::FeatureBit{54};
inline constexpr auto f_guest_uso6 = virtio::FeatureBit{55};
inline constexpr auto f_host_uso = virtio::FeatureBit{56};
inline constexpr auto f_speed_duplex = virtio::FeatureBit{63};

/// virtio 1.2, 5.1.2: pair n is the queues 2n and 2n + 1.
[[nodiscard]] constexpr std::size_t receive_queue(std::size_t pair) {
    return 2 * pair;
}
[[nodiscard]] constexpr std::size_t transmit_queue(std::size_t pair) {
    return 2 * pair + 1;
}

using Mac = std::array<std::uint8_t, 6>;
inline constexpr Mac broadcast_mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

[[nodiscard]] constexpr bool is_multicast(const Mac& mac) {
    return (mac[0] & 1) != 0;
}

/// virtio 1.2, 5.1.4.
struct Config {
    Mac mac;
    std::uint16_t status;
    std::uint16_t max_virtqueue_pairs;
    std::uint16_t mtu;
    std::uint32_t speed; ///< Mbit/s
    std::uint8_t duplex;
    std::uint8_t unused[3];
};
static_assert(offsetof(Config, status) == 6);
static_assert(offsetof(Config, mtu) == 10);
static_assert(offsetof(Config, speed) == 12);
static_assert(sizeof(Config) == 20);

inline constexpr std::uint16_t status_link_up = 1;
inline constexpr std::uint32_t unknown_speed = UINT32_MAX;
inline constexpr std::uint8_t unknown_duplex = UINT8_MAX;

/// virtio 1.2, 5.1.6: what every frame begins with, in both directions.
struct Header {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t hdr_len;
    std::uint16_t gso_size;
    std::uint16_t csum_start;
    std::uint16_t csum_offset;
    std::uint16_t num_buffers;
};
static_assert(sizeof(Header) == 12);

inline constexpr std::uint8_t header_needs_csum = 1;
inline constexpr std::uint8_t header_data_valid = 2;

inline constexpr std::uint8_t gso_none = 0;
inline constexpr std::uint8_t gso_tcpv4 = 1;
inline constexpr std::uint8_t gso_udp = 3;
inline constexpr std::uint8_t gso_tcpv6 = 4;
inline constexpr std::uint8_t gso_udp_l4 = 5;
inline constexpr std::uint8_t gso_ecn = 0x80;

/// The Ethernet header.
struct EthernetHeader {
    Mac destination;
    Mac source;
    std::uint8_t type[2];
};
static_assert(sizeof(EthernetHeader) == 14);

/// What a frame begins with in a buffer: copied once, judged, and passed on.
struct FrameStart {
    Header header;
    EthernetHeader ethernet;
};
static_assert(sizeof(FrameStart) == 26);

/// virtio 1.2, 5.1.6.3.1: the largest segment that TSO hands over is 65550 bytes
/// with its Ethernet header; room for VLAN tags and an IPv6 header more.
inline constexpr std::size_t max_segment = 65536 + 128;
/// A VLAN tag that the host left in the frame, twice.
inline constexpr std::size_t vlan_room = 8;

} // namespace hvisor::devices::net
