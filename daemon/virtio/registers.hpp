// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "virtio/queue_layout.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace hvisor::virtio {

/// Offsets of the virtio-mmio registers, version 2 (virtio 1.2, 4.2.2).
enum class Register : std::uint32_t {
    magic_value = 0x000,
    version = 0x004,
    device_id = 0x008,
    vendor_id = 0x00c,
    device_features = 0x010,
    device_features_sel = 0x014,
    driver_features = 0x020,
    driver_features_sel = 0x024,
    queue_sel = 0x030,
    queue_num_max = 0x034,
    queue_num = 0x038,
    queue_ready = 0x044,
    queue_notify = 0x050,
    interrupt_status = 0x060,
    interrupt_ack = 0x064,
    status = 0x070,
    queue_desc_low = 0x080,
    queue_desc_high = 0x084,
    queue_driver_low = 0x090,
    queue_driver_high = 0x094,
    queue_device_low = 0x0a0,
    queue_device_high = 0x0a4,
    shm_sel = 0x0ac,
    shm_len_low = 0x0b0,
    shm_len_high = 0x0b4,
    shm_base_low = 0x0b8,
    shm_base_high = 0x0bc,
    queue_reset = 0x0c0,
    config_generation = 0x0fc,
    config = 0x100, ///< the device configuration space begins here
};

/// "QueueReady", "Config+0x8"; the offset itself where no register is.
[[nodiscard]] std::string register_name(std::uint32_t offset);

/// Bits of the Status register (virtio 1.2, 2.1).
namespace status {
inline constexpr std::uint32_t acknowledge = 1;
inline constexpr std::uint32_t driver = 2;
inline constexpr std::uint32_t driver_ok = 4;
inline constexpr std::uint32_t features_ok = 8;
inline constexpr std::uint32_t needs_reset = 64;
inline constexpr std::uint32_t failed = 128;
inline constexpr std::uint32_t settable = acknowledge | driver | driver_ok | features_ok | failed;
} // namespace status

/// One queue's registers, as the driver wrote them; all 0 at first.
struct QueueRegisters {
    Watched<std::uint32_t> size;
    Watched<std::uint32_t> ready;
    Watched<std::uint32_t> resetting; ///< QueueReset
    std::uint64_t descriptors = 0;
    std::uint64_t driver = 0;
    std::uint64_t device = 0;

    void clear();
};

/// All that the register file of a device remembers: plain data, so that it
/// can outlive the process.
struct RegisterFile {
    Watched<std::uint32_t> status;
    std::uint32_t device_features_sel = 0;
    std::uint32_t driver_features_sel = 0;
    std::uint64_t driver_features = 0;
    std::uint32_t queue_sel = 0;
    std::array<QueueRegisters, max_queues> queues;

    /// Everything as after a reset, except the status, which goes to 0 last.
    void clear_but_status();
};

} // namespace hvisor::virtio
