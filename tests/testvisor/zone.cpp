// SPDX-License-Identifier: Apache-2.0
#include "zone.hpp"

#include "errno.hpp"
#include "gic.hpp"
#include "psci.hpp"
#include "root_memory.hpp"
#include "uart.hpp"

namespace testvisor {
namespace {

constexpr std::uint64_t root_cpus = 0x3;
constexpr char root_name[] = "root-linux";

// Long: on a busy host a CPU that only waits for its answer must not be taken
// for one that never gets it.
constexpr std::uint64_t stop_milliseconds = 5000;

struct ZoneInfo {
    std::uint32_t id;
    std::uint64_t cpus;
    char name[32];
    std::uint8_t is_error;
};
static_assert(sizeof(ZoneInfo) == 56);

Zone slots[zone_slots];
Zone* in_order[zone_slots];
unsigned zone_count = 0;
SpinLock zones_lock;

[[noreturn]] void does_not_stop(const Zone& zone, unsigned cpu) {
    const std::uint64_t address = cpus[cpu].waits_for;
    if (address == 0) {
        panic("zone ", zone.id, " does not stop: CPU ", cpu);
    }
    panic("zone ", zone.id, " does not stop: CPU ", cpu, " waits for the daemon at ", Hex{address});
}

/// Stop every CPU of the zone but this one, and make its interrupts quiet.
void stop_cpus(Zone& zone) {
    {
        const Guard guard(zone.power_lock);
        __atomic_store_n(&zone.stopping, true, __ATOMIC_RELEASE);
    }
    const std::uint64_t others = zone.cpu_mask & ~(1UL << this_cpu());
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        if ((others >> cpu & 1) != 0) {
            gic::request_stop(cpu);
        }
    }
    const Deadline deadline(stop_milliseconds);
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        while ((others >> cpu & 1) != 0 && !is_off(cpu)) {
            if (deadline.passed()) {
                does_not_stop(zone, cpu);
            }
            relax();
        }
    }
}

void remove(Zone& zone) {
    for (unsigned spi = gic::first_spi; spi < gic::spi_end; ++spi) {
        if (zone.owns_spi(spi)) {
            gic::reset_spi(spi, 0);
        }
    }
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        if (zone.owns_cpu(cpu)) {
            cpus[cpu].zone = nullptr;
        }
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < zone_count; ++i) {
        if (in_order[i] != &zone) {
            in_order[kept++] = in_order[i];
        }
    }
    zone_count = kept;
    zone.used = false;
}

} // namespace

ZonesGuard::ZonesGuard() {
    const Zone& own = *current_cpu().zone;
    while (!zones_lock.try_lock()) {
        if (__atomic_load_n(&own.stopping, __ATOMIC_ACQUIRE)) {
            park();
        }
        relax();
    }
}

ZonesGuard::~ZonesGuard() {
    zones_lock.unlock();
}

std::uint64_t Zone::vmid() const {
    return static_cast<std::uint64_t>(this - slots);
}

void Zone::fail(const Line& reason) {
    if (is_root()) {
        panic("the root zone: ", Text{reason.data(), reason.size()});
    }
    if (!__atomic_exchange_n(&is_error, true, __ATOMIC_ACQ_REL)) {
        say("zone ", id, " failed: ", Text{reason.data(), reason.size()});
    }
}

Zone* find_zone(std::uint32_t id) {
    for (unsigned i = 0; i < zone_count; ++i) {
        if (in_order[i]->id == id) {
            return in_order[i];
        }
    }
    return nullptr;
}

Zone* new_zone() {
    for (Zone& zone : slots) {
        if (!zone.used) {
            zone = {};
            return &zone;
        }
    }
    return nullptr;
}

void append(Zone& zone) {
    zone.used = true;
    in_order[zone_count++] = &zone;
}

void start_root(std::uint64_t entry, std::uint64_t device_tree) {
    Zone& root = *new_zone();
    for (unsigned i = 0; i < sizeof(root_name); ++i) {
        root.name[i] = root_name[i];
    }
    root.cpu_mask = root_cpus;
    for (unsigned cpu = 0; cpu < cpu_count; ++cpu) {
        cpus[cpu].zone = root.owns_cpu(cpu) ? &root : nullptr;
    }
    cpus[0].entry = entry;
    cpus[0].context = device_tree;
    cpus[0].on = true;
    append(root);
}

std::int64_t shut_zone_down(std::uint64_t id) {
    if (id == 0) {
        return -error::invalid;
    }
    const ZonesGuard guard;
    Zone* zone = id <= ~0U ? find_zone(static_cast<std::uint32_t>(id)) : nullptr;
    if (zone == nullptr) {
        return -error::invalid;
    }
    stop_cpus(*zone);
    remove(*zone);
    say("zone ", zone->id, " stopped");
    return 0;
}

std::int64_t list_zones(std::uint64_t buffer, std::uint64_t capacity) {
    if (buffer == 0) {
        return -error::invalid;
    }
    const ZonesGuard guard;
    const unsigned written = capacity < zone_count ? static_cast<unsigned>(capacity) : zone_count;
    auto* info = from_root<ZoneInfo>(buffer, written);
    for (unsigned i = 0; i < written; ++i) {
        const Zone& zone = *in_order[i];
        info[i].id = zone.id;
        info[i].cpus = zone.cpu_mask;
        for (unsigned c = 0; c < sizeof(zone.name); ++c) {
            info[i].name[c] = zone.name[c];
        }
        info[i].is_error = zone.is_error ? 1 : 0;
    }
    return written;
}

void zone_powers_off() {
    Cpu& self = current_cpu();
    Zone& zone = *self.zone;
    if (zone.is_root()) {
        say("power off");
        psci::system_off();
    }
    {
        const ZonesGuard guard;
        stop_cpus(zone);
        remove(zone);
        say("zone ", zone.id, " switched itself off");
        // With the guard held: afterwards the CPU may belong to the next zone.
        __atomic_store_n(&self.on, false, __ATOMIC_RELEASE);
    }
    psci::cpu_off();
}

} // namespace testvisor
