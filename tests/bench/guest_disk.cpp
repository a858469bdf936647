// SPDX-License-Identifier: Apache-2.0
#include "guest_disk.hpp"

#include <array>
#include <cstring>
#include <stdexcept>

namespace hvisor::bench {
namespace {

constexpr std::uint16_t queue_size = 128;
constexpr std::uint32_t type_in = 0;
constexpr std::uint32_t type_out = 1;
constexpr std::uint32_t type_flush = 4;
constexpr auto feature_flush = virtio::FeatureBit{9};

} // namespace

GuestDisk::GuestDisk(GuestMachine machine, std::uint32_t largest)
    : machine_(machine), queue_(machine.ram, queue_size), device_(machine, disk_place) {
    auto& ram = machine.ram;
    for (unsigned i = 0; i < max_depth; ++i) {
        Slot slot{.header = ram.allocate(sizeof(Header), 64),
                  .data = ram.allocate(largest, block_bytes),
                  .status = ram.allocate(1, 64),
                  .host_data = nullptr,
                  .block = 0,
                  .begin = {}};
        slot.host_data = ram.at(slot.data);
        slots_.push_back(slot);
    }
    device_.bring_up({feature_flush}, {&queue_});
}

void GuestDisk::submit(std::uint16_t number, const Load& load, std::uint32_t block) {
    auto& slot = slots_[number];
    slot.block = block;
    if (load.has_latencies) {
        slot.begin = Clock::now();
    }
    const Header header{.type = load.is_flush   ? type_flush
                                : load.is_write ? type_out
                                                : type_in,
                        .reserved = 0,
                        .sector = load.is_flush ? 0 : std::uint64_t{block} * (load.bytes / 512)};
    std::memcpy(machine_.ram.at(slot.header), &header, sizeof header);
    *machine_.ram.at(slot.status) = std::byte{0xff};
    const GuestQueue::Piece head{.address = slot.header, .length = sizeof header};
    const GuestQueue::Piece data{.address = slot.data, .length = load.bytes, .writable = !load.is_write};
    const GuestQueue::Piece status{.address = slot.status, .length = 1, .writable = true};
    if (load.is_flush) {
        queue_.add(number, std::array{head, status});
        return;
    }
    if (load.is_write) {
        mark_block(slot.host_data, load, block);
    }
    queue_.add(number, std::array{head, data, status});
}

void GuestDisk::finish(std::uint16_t number, const Load& load) {
    const auto& slot = slots_.at(number);
    if (*machine_.ram.at(slot.status) != std::byte{0}) {
        throw std::runtime_error("a request of the disk failed");
    }
    if (!load.is_write && !load.is_flush) {
        check_block(slot.host_data, load, slot.block);
    }
}

Outcome GuestDisk::run(const Load& load) {
    std::vector<std::uint16_t> idle;
    idle.reserve(load.depth);
    for (unsigned i = 0; i < load.depth; ++i) {
        idle.push_back(static_cast<std::uint16_t>(i));
    }
    Outcome outcome;
    if (load.has_latencies) {
        outcome.latencies.reserve(1000000);
    }
    std::size_t next = 0;
    unsigned in_flight = 0;
    const auto begin = Times::now();
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(load.seconds));
    bool goes_on = true;
    while (goes_on || in_flight != 0) {
        while (goes_on && !idle.empty()) {
            submit(idle.back(), load, load.is_flush ? 0 : load.blocks[next]);
            idle.pop_back();
            ++in_flight;
            if (!load.is_flush && ++next == load.blocks.size()) {
                next = 0;
                goes_on = !load.once;
            }
        }
        if (queue_.should_kick()) {
            device_.kick(0);
        }
        device_.handle_interrupt(queue_, [&](const GuestQueue::Used& used) {
            finish(used.slot, load);
            if (load.has_latencies) {
                outcome.latencies.add(Clock::now() - slots_[used.slot].begin);
            }
            idle.push_back(used.slot);
            --in_flight;
            ++outcome.requests;
        });
        goes_on = goes_on && Clock::now() < end;
    }
    outcome.times = Times::now() - begin;
    return outcome;
}

} // namespace hvisor::bench
