// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/simulated.hpp"
#include "hypervisor/trap_loop.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"
#include "kit/wait.hpp"
#include "zone/zone_devices.hpp"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace hvisor::zone {

inline constexpr std::uint32_t zone_id = 1;
inline constexpr std::uint64_t zone_cpus = 0xc;
inline constexpr std::uint64_t ram_address = 0x50000000;
inline constexpr std::uint64_t ram_size = std::uint64_t{16} << 20;
inline constexpr std::uint64_t disk_address = 0xa003c00;
inline constexpr std::uint64_t console_address = 0xa003800;
inline constexpr std::uint64_t window = 0x200;
inline constexpr std::uint32_t disk_interrupt = 78;
inline constexpr std::uint32_t console_interrupt = 76;

/// A zone with a disk of 1 MiB and a console, on a simulated hypervisor: the
/// whole way of a byte but for the module.
struct ZoneRig {
    using Windows = std::vector<hypervisor::Simulated::Window>;

    explicit ZoneRig(hypervisor::Simulated::Options options = {},
                     Windows windows = {{.address = disk_address, .size = window},
                                        {.address = console_address, .size = window}})
        : hypervisor(options) {
        hypervisor.add_zone(zone_id, "linux2", zone_cpus, std::move(windows));
        REQUIRE(::ftruncate(image.get(), 1 << 20) == 0);
        auto created = ZoneDevices::create(zone_id, "linux2", make_memory(), settings(), loop);
        REQUIRE(created);
        devices = std::move(*created);
        loop.add_zone(zone_id, devices);
    }
    ~ZoneRig() {
        loop.remove_zone(zone_id);
        CHECK(hypervisor.panicked().empty());
    }
    ZoneRig(const ZoneRig&) = delete;
    ZoneRig& operator=(const ZoneRig&) = delete;
    ZoneRig(ZoneRig&&) = delete;
    ZoneRig& operator=(ZoneRig&&) = delete;

    std::shared_ptr<const guest::GuestMemory> make_memory() {
        std::vector<guest::Region> regions;
        regions.emplace_back(ram_address, std::move(*hypervisor.map_ram(ram_address, ram_size)));
        return std::make_shared<const guest::GuestMemory>(*guest::GuestMemory::create(std::move(regions)));
    }
    [[nodiscard]] std::vector<DeviceSettings> settings() const {
        std::vector<DeviceSettings> all;
        all.push_back(
            {.address = disk_address,
             .length = window,
             .interrupt = disk_interrupt,
             .model = BlockSettings{.image = UniqueFd(::dup(image.get())), .file = {.path = "disk.img"}}});
        all.push_back({.address = console_address,
                       .length = window,
                       .interrupt = console_interrupt,
                       .model = ConsoleSettings{}});
        return all;
    }
    /// A driver on one CPU of the zone.
    kit::MmioDriver driver(std::uint64_t address, std::uint32_t cpu = 2) {
        return {[this, address, cpu](std::uint64_t offset, unsigned size) {
                    const auto value = hypervisor.guest_read(cpu, address + offset, size);
                    REQUIRE(value);
                    return *value;
                },
                [this, address, cpu](std::uint64_t offset, unsigned size, std::uint64_t value) {
                    REQUIRE(hypervisor.guest_write(cpu, address + offset, size, value));
                }};
    }

    UniqueFd image{::memfd_create("image", MFD_CLOEXEC)};
    hypervisor::Simulated hypervisor;
    hypervisor::TrapLoop loop{hypervisor};
    std::shared_ptr<ZoneDevices> devices;
    Mapping guest_view = std::move(*hypervisor.map_ram(ram_address, ram_size));
    kit::Ram ram{ram_address, guest_view.data(), guest_view.size()};
};

/// Linux's virtio-blk as far as the transport sees it: up to `depth` requests
/// in flight, completions taken only in the interrupt handler.
class Disk {
  public:
    Disk(ZoneRig& rig, virtio::FeatureSet features, std::uint16_t queue_size = 64)
        : rig_(rig),
          queue_(rig.ram, queue_size, features.has(virtio::FeatureBit::ring_event_idx)),
          driver_(rig.driver(disk_address)) {
        REQUIRE(driver_.negotiate(features));
        REQUIRE(driver_.set_up_queue(0, queue_));
        driver_.start();
    }

    /// Reads `count` sectors with `depth` requests in flight; false when the
    /// interrupt for one of them never came.
    [[nodiscard]] bool run(unsigned count, unsigned depth) {
        const auto slots = make_slots(depth);
        std::vector<const Slot*> idle;
        idle.reserve(slots.size());
        for (const auto& slot : slots) {
            idle.push_back(&slot);
        }
        std::vector<std::pair<std::uint16_t, const Slot*>> in_flight;
        unsigned sent = 0;
        while (sent < count || !in_flight.empty()) {
            while (sent < count && !idle.empty()) {
                in_flight.emplace_back(queue_.add(idle.back()->chain), idle.back());
                idle.pop_back();
                ++sent;
            }
            if (queue_.needs_kick()) {
                driver_.kick(0);
            }
            if (!rig_.hypervisor.take_interrupt(zone_id, disk_interrupt, std::chrono::seconds(5))) {
                return false;
            }
            driver_.acknowledge();
            while (const auto used = queue_.take_used()) {
                const auto done =
                    std::ranges::find(in_flight, used->head, &decltype(in_flight)::value_type::first);
                REQUIRE(done != in_flight.end());
                idle.push_back(done->second);
                in_flight.erase(done);
            }
            rig_.hypervisor.end_interrupt(zone_id, disk_interrupt);
        }
        return true;
    }

  private:
    struct Slot {
        std::vector<kit::Descriptor> chain;
    };
    std::vector<Slot> make_slots(unsigned depth) {
        std::vector<Slot> slots;
        slots.reserve(depth);
        for (unsigned i = 0; i < depth; ++i) {
            const std::uint64_t header[] = {0, i}; // IN, sector i
            slots.push_back(
                {{{.address = rig_.ram.store_bytes(std::as_bytes(std::span(header))), .length = 16},
                  {.address = rig_.ram.allocate(512), .length = 512, .flags = kit::desc_write},
                  {.address = rig_.ram.allocate(1), .length = 1, .flags = kit::desc_write}}});
        }
        return slots;
    }

    ZoneRig& rig_;
    kit::SplitQueue queue_;
    kit::MmioDriver driver_;
};

} // namespace hvisor::zone
