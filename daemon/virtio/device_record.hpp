// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "base/blame.hpp"
#include "base/fixed_text.hpp"
#include "base/state_memory.hpp"
#include "virtio/interrupt.hpp"
#include "virtio/queue.hpp"
#include "virtio/queue_layout.hpp"
#include "virtio/registers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace hvisor::virtio {

/// Bytes of configuration space that a device can have.
inline constexpr std::size_t max_config = 256;

/// What a driver waits for that takes a while.
enum class DriverWait : std::uint32_t {
    none,
    device_reset,   ///< the end of a reset
    queue_disabled, ///< QueueReady to be 0
    queue_reset,    ///< the end of QueueReset
};

/// By what a record is known to be one of this kind of device, written last.
struct RecordHeader {
    std::uint64_t magic = 0;
    std::uint32_t layout = 0; ///< of all that follows; one more with each change of it
    std::uint32_t device_id = 0;
    std::uint32_t queue_count = 0;
    std::uint32_t config_size = 0;
    std::uint32_t type_size = 0;
    std::uint32_t reserved = 0;

    [[nodiscard]] bool operator==(const RecordHeader&) const = default;
};

/// All that a device remembers of its driver, but what its type adds behind it:
/// plain data in memory that may outlive the process. Whoever writes it can be
/// killed between any two stores, and another goes on from there
/// (Device::resume()).
struct DeviceRecord {
    static constexpr std::uint64_t magic = 0x64'72'6f'73'69'76'68'01; // "\1hvisord"
    static constexpr std::uint32_t layout = 2;

    /// The one that this memory is for.
    [[nodiscard]] static DeviceRecord& in(const StateMemory& memory) {
        return *std::launder(reinterpret_cast<DeviceRecord*>(memory.bytes().data()));
    }

    RecordHeader header;
    RegisterFile registers;
    std::uint32_t wait = 0;              ///< a DriverWait; accessed atomically: two threads write it
    Watched<std::uint32_t> wait_queue;   ///< which queue it is for
    Watched<std::uint8_t> is_running;    ///< the queues run, or wait for a reset
    std::uint8_t needs_reset = 0;        ///< accessed atomically
    FixedText<160> reset_reason{};       ///< why
    FaultCount faults;                   ///< of whoever served the driver
    std::uint32_t config_generation = 0; ///< the same; odd while the configuration changes
    Interrupt::State interrupt;
    std::array<Watched<std::uint8_t>, max_config> config;
    std::array<QueueState, max_queues> queues;
};
static_assert(std::is_trivially_copyable_v<DeviceRecord> && std::is_standard_layout_v<DeviceRecord>);

} // namespace hvisor::virtio
