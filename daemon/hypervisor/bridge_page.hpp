// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace hvisor::hypervisor {

inline constexpr std::uint32_t bridge_ring_size = 32; ///< one slot stays free: 31 usable
inline constexpr std::uint32_t bridge_cpus = 32;
inline constexpr std::size_t bridge_page_size = 4096;

/// One register access of a zone's CPU (hvisor interface, 3.1).
struct DeviceRequest {
    std::uint64_t src_cpu;
    std::uint64_t address;
    std::uint64_t size;
    std::uint64_t value;
    std::uint32_t src_zone;
    std::uint8_t is_write;
    std::uint8_t need_interrupt; ///< 1: the CPU did not wait, and must not be answered
    std::uint16_t padding;
};

/// One interrupt for a zone.
struct DeviceResult {
    std::uint32_t target_zone;
    std::uint32_t interrupt;
};

/// The page that hypervisor and daemon share (hvisor interface, 3.1). Every
/// field is accessed atomically, with the orderings of section 3.3.
struct BridgePage {
    std::uint32_t request_front; ///< written by the daemon
    std::uint32_t request_rear;  ///< written by the hypervisor
    std::uint32_t result_front;  ///< written by the hypervisor
    std::uint32_t result_rear;   ///< written by the daemon
    DeviceRequest requests[bridge_ring_size];
    DeviceResult results[bridge_ring_size];
    std::uint64_t answer_counts[bridge_cpus]; ///< cfg_flags: counts up with each answer
    std::uint64_t answer_values[bridge_cpus]; ///< cfg_values
    std::uint64_t mmio_addresses[8];          ///< never read by the hypervisor
    std::uint8_t mmio_available;              ///< never read by the hypervisor
    std::uint8_t need_wakeup;                 ///< 1: send a wake-up interrupt after pushing
};

static_assert(sizeof(DeviceRequest) == 40);
static_assert(offsetof(DeviceRequest, address) == 8);
static_assert(offsetof(DeviceRequest, size) == 16);
static_assert(offsetof(DeviceRequest, value) == 24);
static_assert(offsetof(DeviceRequest, src_zone) == 32);
static_assert(offsetof(DeviceRequest, is_write) == 36);
static_assert(offsetof(DeviceRequest, need_interrupt) == 37);
static_assert(sizeof(DeviceResult) == 8);
static_assert(offsetof(DeviceResult, interrupt) == 4);
static_assert(offsetof(BridgePage, request_front) == 0x000);
static_assert(offsetof(BridgePage, request_rear) == 0x004);
static_assert(offsetof(BridgePage, result_front) == 0x008);
static_assert(offsetof(BridgePage, result_rear) == 0x00c);
static_assert(offsetof(BridgePage, requests) == 0x010);
static_assert(offsetof(BridgePage, results) == 0x510);
static_assert(offsetof(BridgePage, answer_counts) == 0x610);
static_assert(offsetof(BridgePage, answer_values) == 0x710);
static_assert(offsetof(BridgePage, mmio_addresses) == 0x810);
static_assert(offsetof(BridgePage, mmio_available) == 0x850);
static_assert(offsetof(BridgePage, need_wakeup) == 0x851);
static_assert(sizeof(BridgePage) == 0x858 && sizeof(BridgePage) <= bridge_page_size);

} // namespace hvisor::hypervisor
