// SPDX-License-Identifier: Apache-2.0
#include "devices/net/frame_check.hpp"

#include <algorithm>

namespace hvisor::devices::net {
namespace {

constexpr std::size_t checksum_size = 2;

} // namespace

std::string_view to_string(Drop drop) {
    switch (drop) {
    case Drop::too_short:
        return "frame too short";
    case Drop::too_long:
        return "frame too long";
    case Drop::writable:
        return "device-writable buffer in a transmit queue";
    case Drop::checksum:
        return "checksum not negotiated or outside the frame";
    case Drop::segmentation:
        return "segmentation not known or not negotiated";
    case Drop::pieces:
        return "frame in too many pieces";
    case Drop::refused:
        return "refused by the tap";
    case Drop::not_mine:
        return "for another address";
    case Drop::no_room:
        return "larger than the driver's buffers";
    case Drop::not_allowed:
        return "offload switched off by the driver";
    case Drop::count_of_them:
        break;
    }
    return "dropped";
}

std::optional<Drop> check_header(Header& header, std::size_t length, const Offloads& negotiated) {
    if (length < sizeof(EthernetHeader)) {
        return Drop::too_short;
    }
    if (length > max_segment) {
        return Drop::too_long;
    }
    // virtio 1.2, 5.1.6.2.2: flags that are not known are ignored.
    header.flags &= header_needs_csum;
    header.num_buffers = 0; // virtio 1.2, 5.1.6.2.1: unused in this direction
    const bool has_checksum = header.flags != 0;
    if (has_checksum) {
        const auto end = std::size_t{header.csum_start} + header.csum_offset + checksum_size;
        if (!negotiated.csum || header.csum_start < sizeof(EthernetHeader) || end > length) {
            return Drop::checksum;
        }
    } else {
        header.csum_start = 0;
        header.csum_offset = 0;
    }
    if (header.gso_type == gso_none) {
        header.gso_size = 0;
        header.hdr_len = 0;
        return std::nullopt;
    }
    // virtio 1.2, 5.1.6.2.1: a segment has a size, and its checksums are ours to make.
    if (!negotiated.allow(header) || !has_checksum || header.gso_size == 0) {
        return Drop::segmentation;
    }
    // A hint (virtio 1.2, 5.1.6.2.2), which the kernel takes for more than that.
    header.hdr_len = static_cast<std::uint16_t>(std::min<std::size_t>(header.hdr_len, length));
    if (header.hdr_len < sizeof(EthernetHeader)) {
        header.hdr_len = 0;
    }
    return std::nullopt;
}

} // namespace hvisor::devices::net
