// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/mapping.hpp"
#include "base/unique_fd.hpp"
#include "hypervisor/simulated.hpp"
#include "hypervisor/simulated_interrupts.hpp"
#include "hypervisor/simulated_ram.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::hypervisor {

/// The machine of a Simulated hypervisor: RAM, zones, interrupts, the shared
/// page. Zones come and go under a lock; what a guest CPU does all the time
/// (finding its zone, looking for interrupts) takes none.
class SimulatedMachine {
  public:
    using Window = Simulated::Window;
    using Counts = Simulated::Counts;

    /// A zone. While it is published to its CPUs nothing but the mark changes.
    struct Zone {
        Zone(std::uint32_t number, std::string its_name, std::uint64_t its_cpus,
             std::vector<Window> its_windows)
            : id(number), name(std::move(its_name)), cpus(its_cpus), windows(std::move(its_windows)) {}
        std::uint32_t id;
        std::string name;
        std::uint64_t cpus;
        std::vector<Window> windows;
        mutable std::atomic<bool> has_error{false};
        bool is_off = false; ///< its CPUs have been told to stop
    };
    enum class Added { yes, id_taken, cpus_taken };
    enum class Removed { yes, no_such_zone, cpu_waited };

    explicit SimulatedMachine(SimulatedOptions options);

    [[nodiscard]] const SimulatedOptions& options() const { return options_; }
    [[nodiscard]] const SimulatedRam& ram() const { return ram_; }
    [[nodiscard]] int page_fd() const { return page_file_.get(); }
    [[nodiscard]] BridgePage& page() { return page_; }
    [[nodiscard]] int wakeup_fd() const { return wakeup_.get(); }

    [[nodiscard]] std::vector<ZoneInfo> list_zones() const;
    /// `checked`: refuse an id or a CPU that is taken.
    Added add_zone(std::unique_ptr<Zone> zone, bool checked);
    /// Take a zone away. With a timeout wait for CPUs that wait for an answer.
    Removed remove_zone(std::uint32_t id, std::optional<std::chrono::milliseconds> timeout);

    /// Where an access of a CPU goes.
    struct Target {
        std::uint32_t zone = 0;
        bool is_notify = false; ///< the CPU does not wait
    };
    /// A CPU begins an access. Nothing when it has no zone or leaves the
    /// windows of its zone; else end_access() follows unless it is a notify.
    /// A CPU is one thread at a time.
    [[nodiscard]] std::optional<Target> begin_access(std::uint32_t cpu, std::uint64_t address, unsigned size);
    void end_access(std::uint32_t cpu);

    /// Put a request into the ring and wake the daemon if it asked for that.
    void push(const DeviceRequest& request);
    /// Drain the result ring (hypercall 1).
    void take_results();

    /// The interrupts of a zone; of a number that no zone can have, none.
    [[nodiscard]] SimulatedInterrupts* interrupts_of(std::uint32_t zone) {
        return zone < bridge_cpus ? &interrupts_.at(zone) : nullptr;
    }
    /// Call `look` until it is true, whenever an interrupt has come; false after `timeout`.
    template <class Look>
    [[nodiscard]] bool wait_for_interrupt(std::chrono::milliseconds timeout, Look look) {
        if (look()) {
            return true;
        }
        if (timeout <= std::chrono::milliseconds::zero()) {
            return false;
        }
        // seq_cst pairs with deliver(): either it sees a sleeper, or we see the interrupt.
        sleepers_.fetch_add(1);
        std::unique_lock guard(sleep_lock_);
        const bool came = interrupted_.wait_for(guard, timeout, look);
        sleepers_.fetch_sub(1);
        return came;
    }

    void set_losses(unsigned injections, unsigned wakeups, bool active);
    [[nodiscard]] Counts counts() const;
    void panic(std::string why);
    [[nodiscard]] std::string panicked() const;

  private:
    /// One CPU and what it does; on a cache line of its own.
    struct alignas(64) Cpu {
        enum class Phase : std::uint8_t { runs, looks_up, waits };
        std::atomic<Phase> phase{Phase::runs};
        std::atomic<const Zone*> zone{nullptr};
    };

    void publish_zones();
    [[nodiscard]] bool is_any(std::uint64_t cpus, Cpu::Phase phase) const;
    void deliver(const DeviceResult& result);

    SimulatedOptions options_;
    SimulatedRam ram_;
    UniqueFd page_file_;
    Mapping page_memory_;
    BridgePage& page_; ///< in it
    UniqueFd wakeup_;

    std::array<Cpu, bridge_cpus> cpus_;
    std::array<SimulatedInterrupts, bridge_cpus> interrupts_; ///< by zone id

    std::mutex ring_lock_;  ///< producers of the request ring
    std::mutex sleep_lock_; ///< of those that wait for an interrupt
    std::condition_variable interrupted_;
    std::atomic<unsigned> sleepers_{0};

    mutable std::mutex lock_; ///< zones_ and panicked_
    std::vector<std::unique_ptr<Zone>> zones_;
    std::string panicked_;

    mutable std::mutex result_lock_; ///< consumers of the result ring, and what follows; after lock_
    std::uint32_t present_ = 0;      ///< bit n: zone n is there
    unsigned lose_injections_ = 0;
    bool lose_active_ = false;
    Counts counts_; ///< of interrupts

    mutable std::mutex wakeup_lock_; ///< what follows
    unsigned lose_wakeups_ = 0;
    Counts wakeup_counts_; ///< of wake-ups
};

} // namespace hvisor::hypervisor
