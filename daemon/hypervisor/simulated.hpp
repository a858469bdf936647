// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hypervisor/hypervisor.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::hypervisor {

/// How a Simulated hypervisor behaves. The defaults are a healthy one on the
/// QEMU board.
struct SimulatedOptions {
    std::uint64_t magic = 6;
    std::size_t config_size = 0;            ///< of the zone_config it wants; 0: that of any layout of magic 6
    std::uint64_t ram_address = 0x50000000; ///< the memory zones may use
    std::uint64_t ram_size = 0x30000000;
    std::uint64_t cpus = 0xf;      ///< all CPUs of the board
    std::uint64_t root_cpus = 0x3; ///< the root zone's
    unsigned lose_injections = 0;  ///< lose every Nth interrupt; 0: none
    unsigned lose_wakeups = 0;     ///< lose every Nth wake-up; 0: none
    bool lose_active = false;      ///< lose an interrupt whose handler runs (hvisor interface, 2.3)
};

class SimulatedMachine;

/// The hypervisor's side of the same contract inside one process: no root, no
/// module. For tests, and for `hvisord --simulated`, which offers the whole
/// D-Bus API on any machine.
///
/// What a real one would answer with a panic is kept in panicked().
class Simulated final : public Hypervisor {
  public:
    using Options = SimulatedOptions;
    explicit Simulated(Options options = {});
    ~Simulated() override;

    [[nodiscard]] Result<std::uint64_t> config_magic() override;
    [[nodiscard]] Result<std::vector<ZoneInfo>> list_zones() override;
    [[nodiscard]] Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) override;
    [[nodiscard]] Result<void> clear(std::uint64_t address, std::uint64_t size) override;
    [[nodiscard]] Result<void> start_zone(std::span<const std::byte> config) override;
    [[nodiscard]] Result<void> shutdown_zone(std::uint32_t id) override;
    [[nodiscard]] Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) override;
    [[nodiscard]] BridgePage& bridge_page() override;
    [[nodiscard]] int wakeup_fd() const override;
    void finish_requests() override;

    /// Its memory and its wake-ups for another process, see RemoteMachine.
    struct Files {
        int page = -1;
        int ram = -1;
        int wakeup = -1;
    };
    [[nodiscard]] Files files() const;
    [[nodiscard]] const SimulatedOptions& options() const;

    // What a guest CPU does, cheap enough to measure the daemon with. The calls
    // block as the CPU would inside the hypervisor; nothing comes back when the
    // daemon has not answered in 10 s. A CPU is one thread at a time.

    /// A memory region of type virtio: accesses to it go to the daemon, the one
    /// at +0x50 without waiting (hvisor interface, 3.6).
    struct Window {
        std::uint64_t address = 0;
        std::uint64_t size = 0;
    };
    /// Add a zone without zone_config; its id and CPUs are below 32.
    void add_zone(std::uint32_t id, std::string name, std::uint64_t cpus, std::vector<Window> windows);

    /// A load or store of the CPU's zone. Outside of its windows nothing comes
    /// back and the zone is marked as failed.
    [[nodiscard]] std::optional<std::uint64_t> guest_read(std::uint32_t cpu, std::uint64_t address,
                                                          unsigned size);
    bool guest_write(std::uint32_t cpu, std::uint64_t address, unsigned size, std::uint64_t value);

    /// Put a request into the ring as it is, without waiting for an answer.
    void push_raw(const DeviceRequest& request);

    /// Wait for an interrupt and take it: its handler runs from here to
    /// end_interrupt(). False when none came. A timeout of 0 looks once: some
    /// nanoseconds, for a CPU that polls.
    [[nodiscard]] bool take_interrupt(std::uint32_t zone, std::uint32_t interrupt,
                                      std::chrono::milliseconds timeout);
    /// Any of the zone's interrupts; 0 when none came.
    [[nodiscard]] std::uint32_t take_any_interrupt(std::uint32_t zone, std::chrono::milliseconds timeout);
    void end_interrupt(std::uint32_t zone, std::uint32_t interrupt);

    /// The zone powers itself off: it disappears from the list.
    void power_off(std::uint32_t zone);

    /// What has happened so far.
    struct Counts {
        std::uint64_t injected = 0; ///< interrupts that reached a guest
        std::uint64_t lost_injections = 0;
        std::uint64_t wakeups = 0;
        std::uint64_t lost_wakeups = 0;
        std::uint64_t dropped = 0; ///< interrupts for a zone that is not there
        std::uint64_t finish_calls = 0;
    };
    [[nodiscard]] Counts counts() const;
    /// Change how it behaves from now on.
    void set_losses(unsigned lose_injections, unsigned lose_wakeups, bool lose_active);
    /// Whether its RAM cannot be pinned, as on a board. Else (a kernel without
    /// memfd_secret) O_DIRECT into it works here and fails there.
    [[nodiscard]] bool refuses_pinning() const;
    /// Why a real hypervisor would have panicked, or "".
    [[nodiscard]] std::string panicked() const;

  private:
    std::unique_ptr<SimulatedMachine> machine_;
};

} // namespace hvisor::hypervisor
