// SPDX-License-Identifier: Apache-2.0
// What a guest CPU does, and what tests do in its place.
#include "base/atomic.hpp"
#include "hypervisor/simulated_machine.hpp"

#include <chrono>
#include <format>
#include <memory>
#include <thread>
#include <utility>

namespace hvisor::hypervisor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds answer_timeout{10};
/// Some microseconds.
constexpr int spins = 10000;

bool spin_for_answer(const BridgePage& page, std::uint32_t cpu, std::uint64_t before) {
    for (int i = 0; i < spins; ++i) {
        if (load_acquire(page.answer_counts[cpu]) != before) {
            return true;
        }
    }
    return false;
}

/// A CPU spins until it is answered; the thread that stands for it lets others
/// run once it seems that the daemon has no CPU to answer on.
bool wait_for_answer(const BridgePage& page, std::uint32_t cpu, std::uint64_t before) {
    if (spin_for_answer(page, cpu, before)) {
        return true;
    }
    const auto deadline = Clock::now() + answer_timeout;
    do {
        std::this_thread::yield();
        if (spin_for_answer(page, cpu, before)) {
            return true;
        }
    } while (Clock::now() < deadline);
    return false;
}

std::optional<std::uint64_t> access(SimulatedMachine& machine, DeviceRequest request) {
    const auto cpu = static_cast<std::uint32_t>(request.src_cpu);
    const auto target = machine.begin_access(cpu, request.address, static_cast<unsigned>(request.size));
    if (!target) {
        return std::nullopt;
    }
    request.src_zone = target->zone;
    request.need_interrupt = target->is_notify ? 1 : 0;
    const auto& page = machine.page();
    const auto before = load_acquire(page.answer_counts[cpu]);
    machine.push(request);
    if (target->is_notify) {
        return 0;
    }
    if (!wait_for_answer(page, cpu, before)) {
        machine.panic(std::format("CPU {} got no answer for its access to {:#x}", cpu, request.address));
        return std::nullopt; // and waits for ever
    }
    const auto value = load_relaxed(page.answer_values[cpu]);
    machine.end_access(cpu);
    return value;
}

} // namespace

void Simulated::add_zone(std::uint32_t id, std::string name, std::uint64_t cpus,
                         std::vector<Window> windows) {
    machine_->add_zone(
        std::make_unique<SimulatedMachine::Zone>(id, std::move(name), cpus, std::move(windows)), false);
}

std::optional<std::uint64_t> Simulated::guest_read(std::uint32_t cpu, std::uint64_t address, unsigned size) {
    return access(*machine_, {.src_cpu = cpu,
                              .address = address,
                              .size = size,
                              .value = 0,
                              .src_zone = 0,
                              .is_write = 0,
                              .need_interrupt = 0,
                              .padding = 0});
}

bool Simulated::guest_write(std::uint32_t cpu, std::uint64_t address, unsigned size, std::uint64_t value) {
    return access(*machine_, {.src_cpu = cpu,
                              .address = address,
                              .size = size,
                              .value = value,
                              .src_zone = 0,
                              .is_write = 1,
                              .need_interrupt = 0,
                              .padding = 0})
        .has_value();
}

void Simulated::push_raw(const DeviceRequest& request) {
    machine_->push(request);
}

std::uint32_t Simulated::take_any_interrupt(std::uint32_t zone, std::chrono::milliseconds timeout) {
    auto* interrupts = machine_->interrupts_of(zone);
    std::uint32_t taken = 0;
    static_cast<void>(machine_->wait_for_interrupt(timeout, [&] {
        taken = interrupts != nullptr ? interrupts->take_any() : 0;
        return taken != 0;
    }));
    return taken;
}

bool Simulated::take_interrupt(std::uint32_t zone, std::uint32_t interrupt,
                               std::chrono::milliseconds timeout) {
    auto* interrupts = machine_->interrupts_of(zone);
    return machine_->wait_for_interrupt(timeout,
                                        [&] { return interrupts != nullptr && interrupts->take(interrupt); });
}

void Simulated::end_interrupt(std::uint32_t zone, std::uint32_t interrupt) {
    if (auto* interrupts = machine_->interrupts_of(zone)) {
        interrupts->end(interrupt);
    }
}

void Simulated::power_off(std::uint32_t zone) {
    machine_->remove_zone(zone, std::nullopt);
}

} // namespace hvisor::hypervisor
