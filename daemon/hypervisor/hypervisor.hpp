// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "hypervisor/bridge_page.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hvisor::hypervisor {

/// One zone as the hypervisor lists it (hypercall 4).
struct ZoneInfo {
    std::uint32_t id = 0;
    std::uint64_t cpus = 0; ///< bit n is the hypervisor's CPU n
    std::string name;
    bool has_error = false; ///< the hypervisor marked the zone as failed
};

/// What hvisord needs of a hypervisor, and all it knows of one. Addresses are
/// physical addresses as the root zone sees them; sizes are bytes.
///
/// Implementations: HvisorModule (/dev/hvisor), Simulated (one process, no root, no
/// module), RemoteMachine (that of another process), and LateHypervisor, which waits for
/// one of them. Calls may come from
/// any thread; only start_zone(), shutdown_zone(), load() and clear() may block.
class Hypervisor {
  public:
    Hypervisor() = default;
    Hypervisor(const Hypervisor&) = delete;
    Hypervisor& operator=(const Hypervisor&) = delete;
    Hypervisor(Hypervisor&&) = delete;
    Hypervisor& operator=(Hypervisor&&) = delete;
    virtual ~Hypervisor() = default;

    /// CONFIG_MAGIC_VERSION of the hypervisor. `incompatible` when it knows no such call.
    [[nodiscard]] virtual Result<std::uint64_t> config_magic() = 0;

    /// All zones, the root zone first.
    [[nodiscard]] virtual Result<std::vector<ZoneInfo>> list_zones() = 0;

    /// Copy bytes to guest RAM and make them visible to a CPU with caches off.
    [[nodiscard]] virtual Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) = 0;

    /// Fill guest RAM with zeros, as visible as load() makes bytes.
    [[nodiscard]] virtual Result<void> clear(std::uint64_t address, std::uint64_t size) = 0;

    /// Start a zone from its encoded zone_config structure (spec section 5).
    /// A CPU that is taken is `resource_busy`; a structure of another size than
    /// the hypervisor's `hypervisor_refused`, before anything was done.
    [[nodiscard]] virtual Result<void> start_zone(std::span<const std::byte> config) = 0;

    /// Stop a zone. Blocks until its CPUs are off, which needs every register
    /// access of theirs answered meanwhile: never call it on TrapLoop or Main.
    [[nodiscard]] virtual Result<void> shutdown_zone(std::uint32_t id) = 0;

    /// Map guest RAM, readable and writable. The mapping can be copied to and
    /// from but not pinned (no O_DIRECT, no registered buffers).
    [[nodiscard]] virtual Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) = 0;

    /// The shared page of spec section 3; valid as long as this object.
    [[nodiscard]] virtual BridgePage& bridge_page() = 0;

    /// An eventfd that becomes readable after a wake-up interrupt.
    [[nodiscard]] virtual int wakeup_fd() const = 0;

    /// Tell the hypervisor to drain the result ring (hypercall 1).
    virtual void finish_requests() = 0;
};

} // namespace hvisor::hypervisor
