// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "hypervisor/hypervisor.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace hvisor::hypervisor {

/// How a Simulated hypervisor behaves. The defaults are a healthy one on the
/// QEMU board, for the aarch64 layout of magic 6.
struct SimulatedOptions {
    std::uint64_t magic = 6;
    std::size_t config_size = 3296;
    std::uint64_t ram_address = 0x50000000;  ///< the memory zones may use
    std::uint64_t ram_size = 0x30000000;
    std::uint64_t cpus = 0xf;       ///< all CPUs of the board
    std::uint64_t root_cpus = 0x3;  ///< the root zone's
    unsigned lose_injections = 0;   ///< lose every Nth interrupt; 0: none
    unsigned lose_wakeups = 0;      ///< lose every Nth wake-up; 0: none
    bool lose_active = false;       ///< lose an interrupt whose handler runs (hvisor interface, 2.3)
};

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
    [[nodiscard]] Result<void> start_zone(std::span<const std::byte> config) override;
    [[nodiscard]] Result<void> shutdown_zone(std::uint32_t id) override;
    [[nodiscard]] Result<Mapping> map_ram(std::uint64_t address, std::uint64_t size) override;
    [[nodiscard]] BridgePage& bridge_page() override;
    [[nodiscard]] int wakeup_fd() const override;
    void finish_requests() override;

    // What a guest CPU does. The calls block as the CPU would inside the
    // hypervisor; nothing comes back when the daemon has not answered in 10 s.

    /// Add a zone without zone_config, its CPUs and virtio windows given.
    struct Window {
        std::uint64_t address = 0;
        std::uint64_t size = 0;
    };
    void add_zone(std::uint32_t id, std::string name, std::uint64_t cpus, std::vector<Window> windows);

    [[nodiscard]] std::optional<std::uint64_t> guest_read(std::uint32_t cpu, std::uint64_t address, unsigned size);
    bool guest_write(std::uint32_t cpu, std::uint64_t address, unsigned size, std::uint64_t value);

    /// Put a request into the ring as it is, without waiting for an answer.
    void push_raw(const DeviceRequest& request);

    /// Wait for an interrupt and take it: its handler runs from here to
    /// end_interrupt(). False when none came.
    [[nodiscard]] bool take_interrupt(std::uint32_t zone, std::uint32_t interrupt, std::chrono::milliseconds timeout);
    void end_interrupt(std::uint32_t zone, std::uint32_t interrupt);

    /// The zone marks itself as failed, or powers itself off.
    void set_error(std::uint32_t zone);
    void power_off(std::uint32_t zone);

    /// What has happened so far.
    struct Counts {
        std::uint64_t injected = 0;  ///< interrupts that reached a guest
        std::uint64_t lost_injections = 0;
        std::uint64_t wakeups = 0;
        std::uint64_t lost_wakeups = 0;
        std::uint64_t dropped = 0;  ///< interrupts for a zone that is not there
        std::uint64_t finish_calls = 0;
    };
    [[nodiscard]] Counts counts() const;
    /// Why a real hypervisor would have panicked, or "".
    [[nodiscard]] std::string panicked() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hvisor::hypervisor
