// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated_machine.hpp"

#include "base/atomic.hpp"
#include "base/checked.hpp"
#include "base/errno_text.hpp"

#include <algorithm>
#include <new>
#include <ranges>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

namespace hvisor::hypervisor {
namespace {

constexpr std::uint64_t queue_notify = 0x50;

UniqueFd make_page() {
    UniqueFd file(::memfd_create("hvisor-bridge", MFD_CLOEXEC));
    if (!file || ::ftruncate(file.get(), bridge_page_size) != 0) {
        throw std::runtime_error("no memory for the simulated bridge: " + errno_text());
    }
    return file;
}

Mapping map_page(const UniqueFd& file) {
    auto mapping = Mapping::map_shared(file.get(), 0, bridge_page_size, "the simulated bridge");
    if (!mapping) {
        throw std::runtime_error(mapping.error().message);
    }
    return std::move(*mapping);
}

} // namespace

SimulatedMachine::SimulatedMachine(SimulatedOptions options)
    : options_(options),
      ram_(options.ram_address, options.ram_size),
      page_file_(make_page()),
      page_memory_(map_page(page_file_)),
      page_(*new(page_memory_.data()) BridgePage{}),
      wakeup_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    set_losses(options.lose_injections, options.lose_wakeups, options.lose_active);
    add_zone(std::make_unique<Zone>(0, "root-linux", options.root_cpus, std::vector<Window>{}), false);
}

std::vector<ZoneInfo> SimulatedMachine::list_zones() const {
    const std::scoped_lock guard(lock_);
    std::vector<ZoneInfo> infos;
    infos.reserve(zones_.size());
    for (const auto& zone : zones_) {
        infos.push_back(
            {.id = zone->id, .cpus = zone->cpus, .name = zone->name, .has_error = zone->has_error.load()});
    }
    return infos;
}

SimulatedMachine::Added SimulatedMachine::add_zone(std::unique_ptr<Zone> zone, bool checked) {
    const std::scoped_lock guard(lock_);
    if (checked) {
        if (std::ranges::contains(zones_, zone->id, &Zone::id)) {
            return Added::id_taken;
        }
        if (std::ranges::any_of(zones_, [&](const auto& other) { return (other->cpus & zone->cpus) != 0; })) {
            return Added::cpus_taken;
        }
    }
    if (zone->id < bridge_cpus) {
        const std::scoped_lock results(result_lock_);
        interrupts_.at(zone->id).clear();
        present_ |= std::uint32_t{1} << zone->id;
    }
    zones_.push_back(std::move(zone));
    publish_zones();
    return Added::yes;
}

SimulatedMachine::Removed SimulatedMachine::remove_zone(std::uint32_t id,
                                                        std::optional<std::chrono::milliseconds> timeout) {
    const auto deadline =
        std::chrono::steady_clock::now() + timeout.value_or(std::chrono::milliseconds::zero());
    const auto find = [this, id] { return std::ranges::find(zones_, id, &Zone::id); };
    std::unique_lock guard(lock_);
    const auto zone = find();
    if (zone == zones_.end()) {
        return Removed::no_such_zone;
    }
    // A CPU that runs is off at once; one that has seen the zone looks at its
    // windows still, and may then wait for an answer.
    const auto cpus = (*zone)->cpus;
    (*zone)->is_off = true;
    publish_zones();
    while (is_any(cpus, Cpu::Phase::looks_up)) {
        std::this_thread::yield();
    }
    bool waits = timeout && is_any(cpus, Cpu::Phase::waits);
    while (waits && std::chrono::steady_clock::now() < deadline) {
        guard.unlock();
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        guard.lock();
        waits = is_any(cpus, Cpu::Phase::waits);
    }
    // Another thread may have been faster.
    if (const auto found = find(); found != zones_.end() && (*found)->is_off) {
        zones_.erase(found);
    }
    if (id < bridge_cpus && find() == zones_.end()) {
        const std::scoped_lock results(result_lock_);
        interrupts_.at(id).clear();
        present_ &= ~(std::uint32_t{1} << id);
    }
    return waits ? Removed::cpu_waited : Removed::yes;
}

/// Tell each CPU its zone.
void SimulatedMachine::publish_zones() {
    for (std::size_t cpu = 0; cpu < cpus_.size(); ++cpu) {
        const auto found = std::ranges::find_if(
            zones_, [cpu](const auto& zone) { return !zone->is_off && (zone->cpus >> cpu & 1) != 0; });
        cpus_.at(cpu).zone.store(found != zones_.end() ? found->get() : nullptr);
    }
}

bool SimulatedMachine::is_any(std::uint64_t cpus, Cpu::Phase phase) const {
    for (std::size_t cpu = 0; cpu < cpus_.size(); ++cpu) {
        if ((cpus >> cpu & 1) != 0 && cpus_.at(cpu).phase.load() == phase) {
            return true;
        }
    }
    return false;
}

std::optional<SimulatedMachine::Target> SimulatedMachine::begin_access(std::uint32_t cpu,
                                                                       std::uint64_t address, unsigned size) {
    if (cpu >= bridge_cpus) {
        return std::nullopt;
    }
    auto& self = cpus_.at(cpu);
    // seq_cst pairs with remove_zone(): either it sees us look, or we see the zone gone.
    self.phase.store(Cpu::Phase::looks_up);
    std::optional<Target> target;
    if (const auto* zone = self.zone.load(); zone != nullptr) {
        const auto window = std::ranges::find_if(zone->windows, [address, size](const Window& candidate) {
            return range_inside(address, size, candidate.address, candidate.size);
        });
        if (window != zone->windows.end()) {
            target = Target{.zone = zone->id, .is_notify = address - window->address == queue_notify};
        } else {
            zone->has_error.store(true);
        }
    }
    self.phase.store(target && !target->is_notify ? Cpu::Phase::waits : Cpu::Phase::runs,
                     std::memory_order_release);
    return target;
}

void SimulatedMachine::end_access(std::uint32_t cpu) {
    cpus_.at(cpu).phase.store(Cpu::Phase::runs, std::memory_order_release);
}

void SimulatedMachine::push(const DeviceRequest& request) {
    std::unique_lock producers(ring_lock_);
    auto rear = load_relaxed(page_.request_rear);
    while ((rear + 1) % bridge_ring_size == load_acquire(page_.request_front)) {
        producers.unlock();
        std::this_thread::yield();
        producers.lock();
        rear = load_relaxed(page_.request_rear);
    }
    auto& slot = page_.requests[rear];
    store_relaxed(slot.src_cpu, request.src_cpu);
    store_relaxed(slot.address, request.address);
    store_relaxed(slot.size, request.size);
    store_relaxed(slot.value, request.value);
    store_relaxed(slot.src_zone, request.src_zone);
    store_relaxed(slot.is_write, request.is_write);
    store_relaxed(slot.need_interrupt, request.need_interrupt);
    store_release(page_.request_rear, (rear + 1) % bridge_ring_size);
    producers.unlock();

    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (load_relaxed(page_.need_wakeup) != 1) {
        return;
    }
    const std::scoped_lock guard(wakeup_lock_);
    auto& counts = wakeup_counts_;
    if (lose_wakeups_ != 0 && (counts.wakeups + counts.lost_wakeups + 1) % lose_wakeups_ == 0) {
        ++counts.lost_wakeups;
        return;
    }
    ++counts.wakeups;
    ::eventfd_write(wakeup_.get(), 1);
}

void SimulatedMachine::take_results() {
    const std::scoped_lock guard(result_lock_);
    ++counts_.finish_calls;
    for (auto front = load_relaxed(page_.result_front); front != load_acquire(page_.result_rear);) {
        const auto& slot = page_.results[front];
        deliver({.target_zone = load_relaxed(slot.target_zone), .interrupt = load_relaxed(slot.interrupt)});
        front = (front + 1) % bridge_ring_size;
        store_release(page_.result_front, front);
    }
}

void SimulatedMachine::deliver(const DeviceResult& result) {
    const auto zone = result.target_zone;
    if (zone >= bridge_cpus || (present_ >> zone & 1) == 0 ||
        result.interrupt >= SimulatedInterrupts::count) {
        ++counts_.dropped;
        return;
    }
    const auto count = counts_.injected + counts_.lost_injections + 1;
    if ((lose_injections_ != 0 && count % lose_injections_ == 0) ||
        !interrupts_.at(zone).raise(result.interrupt, lose_active_)) {
        ++counts_.lost_injections;
        return;
    }
    ++counts_.injected;
    if (sleepers_.load() != 0) {
        const std::scoped_lock guard(sleep_lock_);
        interrupted_.notify_all();
    }
}

void SimulatedMachine::set_losses(unsigned injections, unsigned wakeups, bool active) {
    const std::scoped_lock guard(result_lock_, wakeup_lock_);
    lose_injections_ = injections;
    lose_wakeups_ = wakeups;
    lose_active_ = active;
}

SimulatedMachine::Counts SimulatedMachine::counts() const {
    const std::scoped_lock guard(result_lock_, wakeup_lock_);
    auto counts = counts_;
    counts.wakeups = wakeup_counts_.wakeups;
    counts.lost_wakeups = wakeup_counts_.lost_wakeups;
    return counts;
}

void SimulatedMachine::panic(std::string why) {
    const std::scoped_lock guard(lock_);
    if (panicked_.empty()) {
        panicked_ = std::move(why);
    }
}

std::string SimulatedMachine::panicked() const {
    const std::scoped_lock guard(lock_);
    return panicked_;
}

} // namespace hvisor::hypervisor
