// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/features.hpp"

#include <cstddef>
#include <cstdint>

// The parts of virtio 1.2, 5.2, that a block device and its driver share.
namespace hvisor::devices::block {

inline constexpr std::uint32_t device_id = 2;
inline constexpr std::uint16_t queue_size = 256;
inline constexpr std::uint64_t sector_size = 512; ///< unit of all sector numbers, whatever blk_size says

inline constexpr auto f_seg_max = virtio::FeatureBit{2};
inline constexpr auto f_read_only = virtio::FeatureBit{5};
inline constexpr auto f_blk_size = virtio::FeatureBit{6};
inline constexpr auto f_flush = virtio::FeatureBit{9};
inline constexpr auto f_topology = virtio::FeatureBit{10};
inline constexpr auto f_config_wce = virtio::FeatureBit{11};
inline constexpr auto f_mq = virtio::FeatureBit{12};
inline constexpr auto f_discard = virtio::FeatureBit{13};
inline constexpr auto f_write_zeroes = virtio::FeatureBit{14};

/// virtio 1.2, 5.2.4: the whole configuration space; a field counts when its
/// feature is offered.
struct Config {
    std::uint64_t capacity; ///< in sectors
    std::uint32_t size_max;
    std::uint32_t seg_max;
    struct Geometry {
        std::uint16_t cylinders;
        std::uint8_t heads;
        std::uint8_t sectors;
    } geometry;
    std::uint32_t blk_size;
    struct Topology {
        std::uint8_t physical_block_exp;
        std::uint8_t alignment_offset;
        std::uint16_t min_io_size;
        std::uint32_t opt_io_size;
    } topology;
    std::uint8_t writeback;
    std::uint8_t unused0;
    std::uint16_t num_queues;
    std::uint32_t max_discard_sectors;
    std::uint32_t max_discard_seg;
    std::uint32_t discard_sector_alignment;
    std::uint32_t max_write_zeroes_sectors;
    std::uint32_t max_write_zeroes_seg;
    std::uint8_t write_zeroes_may_unmap;
    std::uint8_t unused1[3];
    std::uint32_t max_secure_erase_sectors;
    std::uint32_t max_secure_erase_seg;
    std::uint32_t secure_erase_sector_alignment;
};
static_assert(offsetof(Config, seg_max) == 12);
static_assert(offsetof(Config, blk_size) == 20);
static_assert(offsetof(Config, writeback) == 32);
static_assert(offsetof(Config, max_discard_sectors) == 36);
static_assert(offsetof(Config, write_zeroes_may_unmap) == 56);
static_assert(sizeof(Config) == 72);

/// virtio 1.2, 5.2.6: what a request begins with; its last byte is the status.
struct RequestHeader {
    std::uint32_t type;
    std::uint32_t reserved;
    std::uint64_t sector;
};
static_assert(sizeof(RequestHeader) == 16);

enum class RequestType : std::uint32_t {
    in = 0,
    out = 1,
    flush = 4,
    get_id = 8,
    discard = 11,
    write_zeroes = 13
};

/// virtio 1.2, 5.2.6: what a discard or write-zeroes request has as data.
struct RangeSegment {
    std::uint64_t sector;
    std::uint32_t num_sectors;
    std::uint32_t flags; ///< bit 0: unmap, for write zeroes only
};
static_assert(sizeof(RangeSegment) == 16);
inline constexpr std::uint32_t range_unmap = 1;
/// Segments that one request may have, and sectors that one segment may have.
inline constexpr std::uint32_t max_range_segments = 32;
inline constexpr std::uint32_t max_range_sectors = 1U << 21; // 1 GiB

enum class RequestStatus : std::uint8_t { ok = 0, io_error = 1, unsupported = 2 };

inline constexpr std::size_t serial_size = 20;

} // namespace hvisor::devices::block
