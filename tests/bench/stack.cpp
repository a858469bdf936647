// SPDX-License-Identifier: Apache-2.0
#include "stack.hpp"

#include <chrono>
#include <stdexcept>
#include <utility>

namespace hvisor::bench {
namespace {

constexpr std::uint64_t zone_cpus = 0xc;
constexpr std::chrono::seconds patience{10};

template <class T>
T or_throw(Result<T> result) {
    if (!result) {
        throw std::runtime_error(result.error().message);
    }
    return std::move(*result);
}

} // namespace

Stack::Stack(std::vector<zone::DeviceSettings> settings) {
    std::vector<hypervisor::Simulated::Window> windows;
    windows.reserve(settings.size());
    for (const auto& one : settings) {
        windows.push_back({.address = one.address, .size = one.length});
    }
    hypervisor_.add_zone(zone_id, "linux2", zone_cpus, std::move(windows));
    std::vector<guest::Region> regions;
    regions.emplace_back(ram_address, or_throw(hypervisor_.map_ram(ram_address, ram_size)));
    auto memory =
        std::make_shared<const guest::GuestMemory>(or_throw(guest::GuestMemory::create(std::move(regions))));
    devices_ =
        or_throw(zone::ZoneDevices::create(zone_id, "linux2", memory, std::move(settings), loop_, store_));
    loop_.add_zone(zone_id, devices_);
}

Stack::~Stack() {
    devices_->quiesce();
    loop_.remove_zone(zone_id);
}

kit::MmioDriver GuestDevice::driver() const {
    auto& hypervisor = machine_.hypervisor;
    const auto address = place_.address;
    return {[&hypervisor, address](std::uint64_t offset, unsigned size) {
                return hypervisor.guest_read(guest_cpu, address + offset, size).value();
            },
            [&hypervisor, address](std::uint64_t offset, unsigned size, std::uint64_t value) {
                if (!hypervisor.guest_write(guest_cpu, address + offset, size, value)) {
                    throw std::runtime_error("a register access was not answered");
                }
            }};
}

void GuestDevice::bring_up(virtio::FeatureSet features, const std::vector<const GuestQueue*>& queues) const {
    using virtio::FeatureBit;
    const auto with = driver();
    features = features | virtio::FeatureSet{FeatureBit::version_1, FeatureBit::ring_event_idx,
                                             FeatureBit::ring_indirect_desc};
    if (!with.negotiate(features)) {
        throw std::runtime_error("the device refused the features");
    }
    for (std::uint32_t i = 0; i < queues.size(); ++i) {
        const auto& queue = *queues[i];
        with.write_queue(i, queue.size(), queue.descriptors(), queue.avail(), queue.used());
        with.set(virtio::Register::queue_ready, 1);
        if (with.get(virtio::Register::queue_ready) != 1) {
            throw std::runtime_error("the device refused a queue");
        }
    }
    with.start();
}

std::uint32_t GuestDevice::read(virtio::Register which) const {
    const auto value =
        machine_.hypervisor.guest_read(guest_cpu, place_.address + std::to_underlying(which), 4);
    return static_cast<std::uint32_t>(value.value());
}

void GuestDevice::write(virtio::Register which, std::uint32_t value) const {
    machine_.hypervisor.guest_write(guest_cpu, place_.address + std::to_underlying(which), 4, value);
}

bool GuestDevice::take_interrupt() const {
    return machine_.hypervisor.take_interrupt(zone_id, place_.interrupt, std::chrono::milliseconds(0));
}

void GuestDevice::wait_for_interrupt() const {
    constexpr int looks = 1000000;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    do {
        for (int i = 0; i < looks; ++i) {
            if (take_interrupt()) {
                return;
            }
        }
    } while (std::chrono::steady_clock::now() < deadline);
    throw std::runtime_error("an interrupt never came");
}

void GuestDevice::acknowledge() const {
    if (const auto status = read(virtio::Register::interrupt_status); status != 0) {
        write(virtio::Register::interrupt_ack, status);
    }
}

void GuestDevice::end_interrupt() const {
    machine_.hypervisor.end_interrupt(zone_id, place_.interrupt);
}

} // namespace hvisor::bench
