// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated.hpp"

#include "hypervisor/simulated_machine.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <utility>

namespace hvisor::hypervisor {
namespace {

constexpr std::chrono::seconds shutdown_timeout{2};

// What it needs of zone_config's common prefix (hvisor interface, 5.1).
constexpr std::size_t prefix_size = 2360;
constexpr std::size_t name_size = 32;
constexpr std::size_t max_regions = 64;
constexpr std::array<std::size_t, 4> v6_sizes{3296, 3208, 3184, 3264};

struct ConfigRegion {
    std::uint32_t type; ///< 0 RAM, 1 I/O, 2 virtio
    std::uint32_t padding;
    std::uint64_t physical_start;
    std::uint64_t virtual_start;
    std::uint64_t size;
};

template <class T>
T field(std::span<const std::byte> config, std::size_t offset) {
    T value;
    std::memcpy(&value, config.subspan(offset, sizeof value).data(), sizeof value);
    return value;
}

} // namespace

Simulated::Simulated(Options options) : machine_(std::make_unique<SimulatedMachine>(options)) {}
Simulated::~Simulated() = default;

Result<std::uint64_t> Simulated::config_magic() {
    return machine_->options().magic;
}

Result<std::vector<ZoneInfo>> Simulated::list_zones() {
    return machine_->list_zones();
}

Result<Mapping> Simulated::map_ram(std::uint64_t address, std::uint64_t size) {
    return machine_->ram().map(address, size);
}

Result<void> Simulated::load(std::uint64_t address, std::span<const std::byte> bytes) {
    return machine_->ram().load(address, bytes);
}

Result<void> Simulated::clear(std::uint64_t address, std::uint64_t size) {
    return machine_->ram().clear(address, size);
}

Result<void> Simulated::start_zone(std::span<const std::byte> config) {
    const auto wanted = machine_->options().config_size;
    if (config.size() < prefix_size ||
        (wanted != 0 ? config.size() != wanted : !std::ranges::contains(v6_sizes, config.size()))) {
        return fail(ErrorCode::hypervisor_refused,
                    "the hypervisor did not start the zone: {} bytes are no zone_config", config.size());
    }
    const auto id = field<std::uint32_t>(config, 0);
    const auto cpus = field<std::uint64_t>(config, 8);
    const auto region_count = field<std::uint32_t>(config, 16);
    if (id == 0 || id >= bridge_cpus || region_count > max_regions) {
        return fail(ErrorCode::hypervisor_refused,
                    "the hypervisor did not start the zone: zone id {} or {} regions", id, region_count);
    }
    std::vector<Window> windows;
    for (std::size_t i = 0; i < region_count; ++i) {
        const auto region = field<ConfigRegion>(config, 24 + i * sizeof(ConfigRegion));
        if (region.type == 2) {
            windows.push_back({.address = region.physical_start, .size = region.size});
        } else if (region.type == 0 && !machine_->ram().has(region.physical_start, region.size)) {
            return fail(ErrorCode::invalid_config,
                        "the hypervisor did not start the zone: RAM {:#x} at {:#x} is not "
                        "reserved for zones",
                        region.size, region.physical_start);
        }
    }
    std::array<char, name_size> name{};
    std::memcpy(name.data(), config.subspan(2328, name_size).data(), name_size);

    if (cpus == 0 || (cpus & ~machine_->options().cpus) != 0) {
        return fail(ErrorCode::resource_busy,
                    "the hypervisor did not start the zone: of the CPUs {:#x} one is not there", cpus);
    }
    using Added = SimulatedMachine::Added;
    const auto length = ::strnlen(name.data(), name.size());
    switch (machine_->add_zone(std::make_unique<SimulatedMachine::Zone>(id, std::string(name.data(), length),
                                                                        cpus, std::move(windows)),
                               true)) {
    case Added::id_taken:
        return fail(ErrorCode::hypervisor_refused,
                    "the hypervisor did not start the zone: zone {} is already there", id);
    case Added::cpus_taken:
        return fail(ErrorCode::resource_busy,
                    "the hypervisor did not start the zone: of the CPUs {:#x} one belongs to another zone",
                    cpus);
    case Added::yes:
        break;
    }
    return {};
}

Result<void> Simulated::shutdown_zone(std::uint32_t id) {
    using Removed = SimulatedMachine::Removed;
    // A CPU that waits for an answer does not take the shutdown interrupt.
    switch (id != 0 ? machine_->remove_zone(id, shutdown_timeout) : Removed::no_such_zone) {
    case Removed::no_such_zone:
        return fail(ErrorCode::no_such_zone, "the hypervisor has no zone {} that can be shut down", id);
    case Removed::cpu_waited:
        machine_->panic(std::format("zone {} was shut down while a CPU waited for an answer", id));
        break;
    case Removed::yes:
        break;
    }
    return {};
}

BridgePage& Simulated::bridge_page() {
    return machine_->page();
}

Simulated::Files Simulated::files() const {
    return {.page = machine_->page_fd(), .ram = machine_->ram().fd(), .wakeup = machine_->wakeup_fd()};
}

const SimulatedOptions& Simulated::options() const {
    return machine_->options();
}

int Simulated::wakeup_fd() const {
    return machine_->wakeup_fd();
}

void Simulated::finish_requests() {
    machine_->take_results();
}

void Simulated::set_losses(unsigned lose_injections, unsigned lose_wakeups, bool lose_active) {
    machine_->set_losses(lose_injections, lose_wakeups, lose_active);
}

Simulated::Counts Simulated::counts() const {
    return machine_->counts();
}

std::string Simulated::panicked() const {
    return machine_->panicked();
}

bool Simulated::refuses_pinning() const {
    return machine_->ram().refuses_pinning();
}

} // namespace hvisor::hypervisor
