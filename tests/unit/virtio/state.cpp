// SPDX-License-Identifier: Apache-2.0
#include "virtio/device_record.hpp"
#include "virtio/interrupt.hpp"
#include "virtio/queue.hpp"
#include "virtio/registers.hpp"

#include <array>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <type_traits>

using namespace hvisor::virtio;

// What a device needs to go on has to outlive the process: as bytes, which mean
// the same wherever they are mapped.
template <class State>
constexpr bool is_plain = std::is_trivially_copyable_v<State> && std::is_standard_layout_v<State>;
static_assert(is_plain<RegisterFile>);
static_assert(is_plain<QueueIndices>);
static_assert(is_plain<QueueMetrics>);
static_assert(is_plain<QueueState>);
static_assert(is_plain<Interrupt::State>);
static_assert(is_plain<HeldDescriptor>);
static_assert(is_plain<DeviceRecord>);

namespace {

/// The same state from its bytes alone.
template <class State>
State restored(const State& state) {
    return std::bit_cast<State>(std::bit_cast<std::array<std::byte, sizeof(State)>>(state));
}

} // namespace

TEST_CASE("registers, indices and a pending interrupt are the same when their bytes are restored") {
    RegisterFile registers;
    registers.status.set(status::acknowledge | status::driver);
    registers.driver_features = 0x100000001;
    registers.queue_sel = 3;
    registers.queues[3].size.set(256);
    registers.queues[3].ready.set(1);
    registers.queues[3].descriptors = 0x50001000;
    const auto same = restored(registers);
    CHECK(same.status.get() == 3);
    CHECK(same.driver_features == 0x100000001);
    CHECK(same.queue_sel == 3);
    CHECK(same.queues[3].size.get() == 256);
    CHECK(same.queues[3].ready.get() == 1);
    CHECK(same.queues[3].descriptors == 0x50001000);

    QueueState queue;
    queue.indices.take(7);
    queue.indices.settle(1, 5);
    queue.indices.set_signalled(4);
    queue.metrics.count_request(std::chrono::microseconds(3));
    CHECK(restored(queue).indices.next_avail() == 7);
    CHECK(restored(queue).indices.next_used() == 5);
    CHECK(restored(queue).indices.signalled() == 4);
    CHECK(restored(queue).metrics.requests.get() == 1);

    Interrupt::State interrupt;
    interrupt.status = interrupt_used_buffer;
    interrupt.repeats.set(2);
    CHECK(restored(interrupt).status == interrupt_used_buffer);
    CHECK(restored(interrupt).repeats.get() == 2);
}

TEST_CASE("the layout of a record is the one of its number") {
    // Another process of another version reads it: what is changed here needs
    // another DeviceRecord::layout.
    CHECK(DeviceRecord::layout == 2);
    CHECK(sizeof(RecordHeader) == 32);
    CHECK(sizeof(QueueRegisters) == 40);
    CHECK(offsetof(DeviceRecord, registers) == 32);
    CHECK(sizeof(RegisterFile) == 32 + max_queues * sizeof(QueueRegisters));
    CHECK(sizeof(HeldDescriptor) == 32);
    CHECK(sizeof(QueueIndices) == 32);
    CHECK(sizeof(QueueMetrics) == 8 * (5 + QueueMetrics::latency_buckets));
    CHECK(sizeof(QueueState) ==
          8 + sizeof(QueueIndices) + sizeof(QueueMetrics) + longest_queue * sizeof(HeldDescriptor));
    CHECK(sizeof(Interrupt::State) == 48);
    CHECK(offsetof(DeviceRecord, interrupt) == 32 + sizeof(RegisterFile) + 16 + 160 + sizeof(FaultCount));
    CHECK(sizeof(FaultCount) == 8);
    CHECK(offsetof(DeviceRecord, config) == offsetof(DeviceRecord, interrupt) + 48);
    CHECK(offsetof(DeviceRecord, queues) == offsetof(DeviceRecord, config) + max_config);
}
