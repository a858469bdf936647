// SPDX-License-Identifier: Apache-2.0
//
// Zones and their life, as in the hvisor interface, section 9.
#pragma once

#include <cstdint>

#include "cpu.hpp"
#include "gic.hpp"
#include "lock.hpp"
#include "stage2.hpp"

namespace testvisor {

// The root, one on each of the other CPUs, and one for a start that turns out
// to want CPUs that are taken.
inline constexpr unsigned zone_slots = 4;
inline constexpr unsigned max_windows = 64;

struct Window {
    std::uint64_t base;
    std::uint64_t size;
};

struct Zone {
    bool used;
    std::uint32_t id;
    char name[32];
    std::uint64_t cpu_mask;
    bool is_error;
    bool stopping;       // no CPU of it may start any more
    SpinLock power_lock; // a CPU's start against the zone's stop
    std::uint32_t spis[gic::spi_words];
    Window virtio[max_windows];
    unsigned virtio_count;
    struct {
        Window distributor;
        Window redistributors;
        Window its;
    } gic;
    Stage2 stage2;

    [[nodiscard]] bool is_root() const { return id == 0; }
    [[nodiscard]] std::uint64_t vmid() const;
    [[nodiscard]] bool owns_cpu(std::uint64_t cpu) const {
        return cpu < cpu_count && (cpu_mask >> cpu & 1) != 0;
    }
    [[nodiscard]] bool owns_spi(unsigned spi) const {
        return spi < gic::spi_end && (spis[spi / 32] >> spi % 32 & 1) != 0;
    }
    [[nodiscard]] unsigned first_cpu() const { return static_cast<unsigned>(__builtin_ctzll(cpu_mask)); }

    /// What the real hypervisor does with a zone that does what it must not.
    void fail(const Line& reason);
};

/// Held by everything that looks a zone up or changes the list, for as long as
/// it uses the zone; a shutdown holds it to its end, so that injections wait.
/// A CPU whose own zone is being stopped does not come back from waiting for it.
class ZonesGuard {
  public:
    ZonesGuard();
    ~ZonesGuard();
    ZonesGuard(const ZonesGuard&) = delete;
    ZonesGuard& operator=(const ZonesGuard&) = delete;
    ZonesGuard(ZonesGuard&&) = delete;
    ZonesGuard& operator=(ZonesGuard&&) = delete;
};

/// The rest with a ZonesGuard held by the caller.
Zone* find_zone(std::uint32_t id);
Zone* new_zone();
void append(Zone& zone);

// The hypercalls, which take the guard themselves.
void start_root(std::uint64_t entry, std::uint64_t device_tree);
std::int64_t start_zone(std::uint64_t config_address, std::uint64_t size);
std::int64_t shut_zone_down(std::uint64_t id);
std::int64_t list_zones(std::uint64_t buffer, std::uint64_t capacity);

/// The current zone asks to be switched off.
[[noreturn]] void zone_powers_off();

} // namespace testvisor
