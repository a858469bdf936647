// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "guest_queue.hpp"
#include "hypervisor/simulated.hpp"
#include "hypervisor/trap_loop.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "virtio/features.hpp"
#include "zone/zone_devices.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace hvisor::bench {

inline constexpr std::uint32_t zone_id = 1;
inline constexpr std::uint32_t guest_cpu = 2;

/// Where a device of the zone is.
struct Place {
    std::uint64_t address = 0;
    std::uint32_t interrupt = 0;
};
inline constexpr Place disk_place{.address = 0xa003c00, .interrupt = 78};
inline constexpr Place console_place{.address = 0xa003800, .interrupt = 76};
inline constexpr Place gpu_place{.address = 0xa003400, .interrupt = 74};
inline constexpr Place net_place{.address = 0xa003600, .interrupt = 75};

/// The guest's side of a machine: its registers, and its memory.
struct GuestMachine {
    hypervisor::Simulated& hypervisor;
    kit::Ram& ram;
};

/// The daemon's own way of a byte from the bridge to the back end, and one
/// zone with these devices. Its threads run where the one that makes it does.
class Stack {
  public:
    explicit Stack(std::vector<zone::DeviceSettings> settings);
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;
    Stack(Stack&&) = delete;
    Stack& operator=(Stack&&) = delete;
    ~Stack();

    /// `model` at its place.
    template <class Model>
    [[nodiscard]] static zone::DeviceSettings device(Place place, Model model) {
        return {.address = place.address,
                .length = 0x200,
                .interrupt = place.interrupt,
                .model = std::move(model)};
    }

    [[nodiscard]] hypervisor::Simulated& hypervisor() { return hypervisor_; }
    [[nodiscard]] kit::Ram& ram() { return ram_; }
    [[nodiscard]] GuestMachine guest() { return {.hypervisor = hypervisor_, .ram = ram_}; }
    [[nodiscard]] zone::ZoneDevices& devices() { return *devices_; }

  private:
    static constexpr std::uint64_t ram_address = 0x50000000;
    static constexpr std::uint64_t ram_size = std::uint64_t{64} << 20;

    hypervisor::Simulated hypervisor_;
    hypervisor::TrapLoop loop_{hypervisor_};
    FdStore store_; ///< keeps nothing
    std::shared_ptr<zone::ZoneDevices> devices_;
    Mapping view_ = hypervisor_.map_ram(ram_address, ram_size).value();
    kit::Ram ram_{ram_address, view_.data(), view_.size()};
};

/// Linux's virtio-mmio driver of one device, on the guest's CPU: register
/// accesses wait for their answer, and an interrupt is acknowledged before the
/// queue is looked at.
class GuestDevice {
  public:
    GuestDevice(GuestMachine machine, Place place) : machine_(machine), place_(place) {}

    /// Negotiate `features` and the queue features that Linux takes, and set up
    /// `queues`, from number 0 on.
    void bring_up(virtio::FeatureSet features, const std::vector<const GuestQueue*>& queues) const;
    [[nodiscard]] kit::MmioDriver driver() const;

    [[nodiscard]] std::uint32_t read(virtio::Register which) const;
    void write(virtio::Register which, std::uint32_t value) const;
    void kick(std::uint32_t queue) const { write(virtio::Register::queue_notify, queue); }

    /// Spin until the interrupt comes; throws when it never does.
    void wait_for_interrupt() const;
    [[nodiscard]] bool take_interrupt() const;
    /// What virtio_mmio does first in its handler.
    void acknowledge() const;
    void end_interrupt() const;

    /// Wait for an interrupt and handle it: take(used) for all that came back on the queue.
    template <class Take>
    void handle_interrupt(GuestQueue& queue, Take take) const {
        wait_for_interrupt();
        acknowledge();
        drain(queue, take);
        end_interrupt();
    }
    template <class Take>
    static void drain(GuestQueue& queue, Take take) {
        do {
            while (const auto used = queue.take()) {
                take(*used);
            }
        } while (!queue.enable_interrupts());
    }

  private:
    GuestMachine machine_;
    Place place_;
};

} // namespace hvisor::bench
