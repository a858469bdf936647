// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/simulated.hpp"
#include "hypervisor/trap_loop.hpp"
#include "kit/mmio_driver.hpp"
#include "kit/ram.hpp"
#include "kit/split_queue.hpp"
#include "kit/wait.hpp"
#include "zone/zone_devices.hpp"

#include <bit>
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

/// A simulated hypervisor and the thread that answers its zones.
struct Machine {
    explicit Machine(hypervisor::Simulated::Options options = {}) : simulated(options) {}

    hypervisor::Simulated simulated;
    hypervisor::TrapLoop trap_loop{simulated};
};

/// Where on a machine a zone is.
struct Place {
    std::uint32_t id = zone_id;
    std::uint64_t cpus = zone_cpus;
    std::uint64_t ram = ram_address;
};

/// A zone with a disk of 1 MiB and a console: the whole way of a byte but for
/// the module.
struct ZoneSide {
    using Windows = std::vector<hypervisor::Simulated::Window>;

    explicit ZoneSide(Machine& machine, Place where = {},
                      Windows windows = {{.address = disk_address, .size = window},
                                         {.address = console_address, .size = window}})
        : hypervisor(machine.simulated), loop(machine.trap_loop), place(where) {
        hypervisor.add_zone(place.id, "linux2", place.cpus, std::move(windows));
        REQUIRE(::ftruncate(image.get(), 1 << 20) == 0);
        auto created = ZoneDevices::create(place.id, "linux2", make_memory(), settings(), loop, store);
        REQUIRE(created);
        devices = std::move(*created);
        loop.add_zone(place.id, devices);
    }
    ~ZoneSide() {
        loop.remove_zone(place.id);
        CHECK(hypervisor.panicked().empty());
    }
    ZoneSide(const ZoneSide&) = delete;
    ZoneSide& operator=(const ZoneSide&) = delete;
    ZoneSide(ZoneSide&&) = delete;
    ZoneSide& operator=(ZoneSide&&) = delete;

    std::shared_ptr<const guest::GuestMemory> make_memory() {
        std::vector<guest::Region> regions;
        regions.emplace_back(place.ram, std::move(*hypervisor.map_ram(place.ram, ram_size)));
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
    /// A driver on the first CPU of the zone.
    kit::MmioDriver driver(std::uint64_t address) {
        return driver(address, static_cast<std::uint32_t>(std::countr_zero(place.cpus)));
    }
    kit::MmioDriver driver(std::uint64_t address, std::uint32_t cpu) {
        return {[this, address, cpu](std::uint64_t offset, unsigned size) {
                    const auto value = hypervisor.guest_read(cpu, address + offset, size);
                    REQUIRE(value);
                    return *value;
                },
                [this, address, cpu](std::uint64_t offset, unsigned size, std::uint64_t value) {
                    REQUIRE(hypervisor.guest_write(cpu, address + offset, size, value));
                }};
    }

    hypervisor::Simulated& hypervisor;
    hypervisor::TrapLoop& loop;
    FdStore store; ///< keeps nothing
    Place place;
    UniqueFd image{::memfd_create("image", MFD_CLOEXEC)};
    std::shared_ptr<ZoneDevices> devices;
    Mapping guest_view = std::move(*hypervisor.map_ram(place.ram, ram_size));
    kit::Ram ram{place.ram, guest_view.data(), guest_view.size()};
};

/// A machine with one zone.
struct ZoneRig : private Machine, ZoneSide {
    explicit ZoneRig(hypervisor::Simulated::Options options = {})
        : Machine(options), ZoneSide(static_cast<Machine&>(*this)) {}
    ZoneRig(hypervisor::Simulated::Options options, Windows windows)
        : Machine(options), ZoneSide(static_cast<Machine&>(*this), {}, std::move(windows)) {}
};

/// Linux's virtio-blk as far as the transport sees it: up to `depth` requests
/// in flight, completions taken only in the interrupt handler.
class Disk {
  public:
    Disk(ZoneSide& rig, virtio::FeatureSet features, std::uint16_t queue_size = 64)
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
        unsigned sent = 0;
        while (sent < count || !in_flight_.empty()) {
            sent += send(count - sent, depth);
            if (!receive()) {
                return false;
            }
        }
        return true;
    }

    /// Sends at most `count` requests, so that at most `depth` are in flight;
    /// how many.
    unsigned send(unsigned count, unsigned depth) {
        while (slots_.size() < depth) {
            add_slot();
        }
        unsigned sent = 0;
        for (; sent < count && in_flight_.size() < depth; ++sent) {
            in_flight_.emplace_back(queue_.add(idle_.back()->chain), idle_.back());
            idle_.pop_back();
        }
        if (queue_.needs_kick()) {
            driver_.kick(0);
        }
        return sent;
    }

    /// Waits for an interrupt and takes what has been completed; false when
    /// none came.
    [[nodiscard]] bool receive() {
        if (!rig_.hypervisor.take_interrupt(rig_.place.id, disk_interrupt, kit::patience)) {
            return false;
        }
        driver_.acknowledge();
        while (const auto used = queue_.take_used()) {
            const auto done = std::ranges::find(in_flight_, used->head, &InFlight::value_type::first);
            REQUIRE(done != in_flight_.end());
            idle_.push_back(done->second);
            in_flight_.erase(done);
        }
        rig_.hypervisor.end_interrupt(rig_.place.id, disk_interrupt);
        return true;
    }

    [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }

  private:
    struct Slot {
        std::vector<kit::Descriptor> chain;
    };
    using InFlight = std::vector<std::pair<std::uint16_t, const Slot*>>;

    void add_slot() {
        const std::uint64_t header[] = {0, slots_.size()}; // IN, sector
        slots_.push_back(std::make_unique<Slot>(
            Slot{{{.address = rig_.ram.store_bytes(std::as_bytes(std::span(header))), .length = 16},
                  {.address = rig_.ram.allocate(512), .length = 512, .flags = kit::desc_write},
                  {.address = rig_.ram.allocate(1), .length = 1, .flags = kit::desc_write}}}));
        idle_.push_back(slots_.back().get());
    }

    std::vector<std::unique_ptr<Slot>> slots_;
    std::vector<const Slot*> idle_;
    InFlight in_flight_;
    ZoneSide& rig_;
    kit::SplitQueue queue_;
    kit::MmioDriver driver_;
};

} // namespace hvisor::zone
