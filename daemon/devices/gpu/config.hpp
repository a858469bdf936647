// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "virtio/features.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

// The parts of virtio 1.2, 5.7, that a GPU device and its driver share.
namespace hvisor::devices::gpu {

inline constexpr std::uint32_t device_id = 16;

/// virtio 1.2, 5.7.2.
inline constexpr std::size_t control_queue = 0;
inline constexpr std::size_t cursor_queue = 1;
inline constexpr std::uint16_t control_queue_size = 256;
inline constexpr std::uint16_t cursor_queue_size = 64;

/// virtio 1.2, 5.7.3.
inline constexpr auto f_virgl = virtio::FeatureBit{0};
inline constexpr auto f_edid = virtio::FeatureBit{1};
inline constexpr auto f_resource_uuid = virtio::FeatureBit{2};
inline constexpr auto f_resource_blob = virtio::FeatureBit{3};
inline constexpr auto f_context_init = virtio::FeatureBit{4};

/// The configuration space (virtio 1.2, 5.7.4).
struct Config {
    std::uint32_t events_read;
    std::uint32_t events_clear; ///< written by the driver, write-to-clear
    std::uint32_t num_scanouts;
    std::uint32_t num_capsets;
};
static_assert(sizeof(Config) == 16);
inline constexpr std::uint32_t event_display = 1;

/// virtio 1.2, 5.7.6.7: what is asked.
enum class Command : std::uint32_t {
    get_display_info = 0x0100,
    resource_create_2d = 0x0101,
    resource_unref = 0x0102,
    set_scanout = 0x0103,
    resource_flush = 0x0104,
    transfer_to_host_2d = 0x0105,
    resource_attach_backing = 0x0106,
    resource_detach_backing = 0x0107,
    get_capset_info = 0x0108,
    get_capset = 0x0109,
    get_edid = 0x010a,
    resource_assign_uuid = 0x010b,
    resource_create_blob = 0x010c,
    set_scanout_blob = 0x010d,
    ctx_create = 0x0200,
    ctx_destroy = 0x0201,
    ctx_attach_resource = 0x0202,
    ctx_detach_resource = 0x0203,
    resource_create_3d = 0x0204,
    transfer_to_host_3d = 0x0205,
    transfer_from_host_3d = 0x0206,
    submit_3d = 0x0207,
    update_cursor = 0x0300,
    move_cursor = 0x0301,
};

/// The same clause: what is answered.
enum class Response : std::uint32_t {
    ok_nodata = 0x1100,
    ok_display_info = 0x1101,
    ok_capset_info = 0x1102,
    ok_capset = 0x1103,
    ok_edid = 0x1104,
    ok_resource_uuid = 0x1105,
    ok_map_info = 0x1106,
    err_unspec = 0x1200,
    err_out_of_memory = 0x1201,
    err_invalid_scanout_id = 0x1202,
    err_invalid_resource_id = 0x1203,
    err_invalid_context_id = 0x1204,
    err_invalid_parameter = 0x1205,
};

inline constexpr std::uint32_t flag_fence = 1;
inline constexpr std::uint32_t flag_info_ring_idx = 2;

/// Begins every request and every response.
struct Header {
    std::uint32_t type;
    std::uint32_t flags;
    std::uint64_t fence_id;
    std::uint32_t ctx_id;
    std::uint8_t ring_idx;
    std::array<std::uint8_t, 3> padding;
};
static_assert(sizeof(Header) == 24);

/// virtio_gpu_rect.
struct GuestRect {
    std::uint32_t x;
    std::uint32_t y;
    std::uint32_t width;
    std::uint32_t height;
};

struct DisplayInfo {
    struct One {
        GuestRect r;
        std::uint32_t enabled;
        std::uint32_t flags;
    };
    std::array<One, 16> pmodes;
};
static_assert(sizeof(DisplayInfo) == 384);

struct GetEdid {
    std::uint32_t scanout;
    std::uint32_t padding;
};
struct EdidAnswer {
    std::uint32_t size;
    std::uint32_t padding;
    std::array<std::byte, 1024> edid;
};

/// virtio_gpu_formats: the names give the order of the bytes in memory.
enum class Format : std::uint32_t {
    b8g8r8a8_unorm = 1,
    b8g8r8x8_unorm = 2,
    a8r8g8b8_unorm = 3,
    x8r8g8b8_unorm = 4,
    r8g8b8a8_unorm = 67,
    x8b8g8r8_unorm = 68,
    a8b8g8r8_unorm = 121,
    r8g8b8x8_unorm = 134,
};

struct ResourceCreate2d {
    std::uint32_t resource_id;
    std::uint32_t format;
    std::uint32_t width;
    std::uint32_t height;
};
/// Of unref, detach_backing and assign_uuid.
struct ResourceOnly {
    std::uint32_t resource_id;
    std::uint32_t padding;
};
struct SetScanout {
    GuestRect r;
    std::uint32_t scanout_id;
    std::uint32_t resource_id;
};
struct ResourceFlush {
    GuestRect r;
    std::uint32_t resource_id;
    std::uint32_t padding;
};
struct TransferToHost2d {
    GuestRect r;
    std::uint64_t offset; ///< into the backing, of the first pixel
    std::uint32_t resource_id;
    std::uint32_t padding;
};
struct AttachBacking {
    std::uint32_t resource_id;
    std::uint32_t nr_entries; ///< so many MemoryEntry follow
};
struct MemoryEntry {
    std::uint64_t addr;
    std::uint32_t length;
    std::uint32_t padding;
};
static_assert(sizeof(MemoryEntry) == 16);

struct ResourceUuid {
    std::array<std::uint8_t, 16> uuid;
};

enum class BlobMemory : std::uint32_t { guest = 1, host3d = 2, host3d_guest = 3 };
struct ResourceCreateBlob {
    std::uint32_t resource_id;
    std::uint32_t blob_mem;
    std::uint32_t blob_flags;
    std::uint32_t nr_entries;
    std::uint64_t blob_id;
    std::uint64_t size;
};
static_assert(sizeof(ResourceCreateBlob) == 32);
struct SetScanoutBlob {
    GuestRect r;
    std::uint32_t scanout_id;
    std::uint32_t resource_id;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t format;
    std::uint32_t padding;
    std::array<std::uint32_t, 4> strides;
    std::array<std::uint32_t, 4> offsets;
};
static_assert(sizeof(SetScanoutBlob) == 72);

/// Capability sets: by their place, what they are called and how large they are.
struct GetCapsetInfo {
    std::uint32_t capset_index;
    std::uint32_t padding;
};
struct CapsetInfo {
    std::uint32_t capset_id;
    std::uint32_t capset_max_version;
    std::uint32_t capset_max_size;
    std::uint32_t padding;
};
/// By their name; the bytes are the answer.
struct GetCapset {
    std::uint32_t capset_id;
    std::uint32_t capset_version;
};

/// The header names the context.
struct CtxCreate {
    std::uint32_t nlen;
    std::uint32_t context_init; ///< with VIRTIO_GPU_F_CONTEXT_INIT
    std::array<char, 64> debug_name;
};
static_assert(sizeof(CtxCreate) == 72);
struct ResourceCreate3d {
    std::uint32_t resource_id;
    std::uint32_t target;
    std::uint32_t format;
    std::uint32_t bind;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t depth;
    std::uint32_t array_size;
    std::uint32_t last_level;
    std::uint32_t nr_samples;
    std::uint32_t flags;
    std::uint32_t padding;
};
static_assert(sizeof(ResourceCreate3d) == 48);
struct GuestBox {
    std::uint32_t x;
    std::uint32_t y;
    std::uint32_t z;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t depth;
};
/// Of transfer_to_host_3d and transfer_from_host_3d.
struct TransferHost3d {
    GuestBox box;
    std::uint64_t offset; ///< into the backing, of the box's first byte
    std::uint32_t resource_id;
    std::uint32_t level;
    std::uint32_t stride;       ///< 0: as the level has it
    std::uint32_t layer_stride; ///< the same
};
static_assert(sizeof(TransferHost3d) == 48);
struct Submit3d {
    std::uint32_t size; ///< so many bytes of commands follow
    std::uint32_t padding;
};

/// Of update_cursor, and of move_cursor, which looks at the position only.
struct UpdateCursor {
    std::uint32_t scanout_id;
    std::uint32_t x; ///< two's complement
    std::uint32_t y;
    std::uint32_t padding;
    std::uint32_t resource_id; ///< 0 takes the cursor away
    std::uint32_t hot_x;
    std::uint32_t hot_y;
    std::uint32_t padding2;
};
static_assert(sizeof(UpdateCursor) == 32);

} // namespace hvisor::devices::gpu
