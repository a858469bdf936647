// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated.hpp"

#include "base/atomic.hpp"
#include "base/checked.hpp"
#include "base/errno_text.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fcntl.h>
#include <format>
#include <mutex>
#include <set>
#include <stdexcept>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace hvisor::hypervisor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t ram_file_size = std::uint64_t{1} << 40;
constexpr std::uint64_t queue_notify = 0x50;
constexpr std::chrono::seconds answer_timeout{10};
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

/// Memory that can be copied to and from and not pinned is what a board has:
/// memfd_secret() is the one kind of it that needs neither root nor a driver,
/// but it counts as locked memory, of which others than root have little: so
/// all that zones may use is tried at once.
UniqueFd make_ram(std::uint64_t size, bool& refuses_pinning) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
    if (fd && ::ftruncate(fd.get(), ram_file_size) == 0 &&
        Mapping::map_shared(fd.get(), 0, size, "simulated memory")) {
        refuses_pinning = true;
        return fd;
    }
    refuses_pinning = false;
    fd.reset(::memfd_create("hvisor-ram", MFD_CLOEXEC));
    if (!fd || ::ftruncate(fd.get(), ram_file_size) != 0) {
        throw std::runtime_error("no memory for the simulated hypervisor: " + errno_text());
    }
    return fd;
}

} // namespace

struct Simulated::Impl {
    struct Zone {
        std::uint32_t id = 0;
        std::string name;
        std::uint64_t cpus = 0;
        bool has_error = false;
        std::vector<Window> windows;
        std::set<std::uint32_t> pending; ///< interrupts its CPU has not taken
        std::set<std::uint32_t> active;  ///< interrupts whose handler runs
    };

    explicit Impl(Options chosen) : options(chosen), ram(make_ram(options.ram_size, refuses_pinning)) {
        wakeup.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        zones.push_back({.id = 0,
                         .name = "root-linux",
                         .cpus = options.root_cpus,
                         .has_error = false,
                         .windows = {},
                         .pending = {},
                         .active = {}});
    }

    Zone* find(std::uint32_t id) {
        const auto found = std::ranges::find(zones, id, &Zone::id);
        return found != zones.end() ? &*found : nullptr;
    }

    Zone* zone_of_cpu(std::uint32_t cpu) {
        const auto found =
            std::ranges::find_if(zones, [cpu](const Zone& zone) { return (zone.cpus >> cpu & 1) != 0; });
        return found != zones.end() ? &*found : nullptr;
    }

    void panic(std::string why) {
        if (panicked.empty()) {
            panicked = std::move(why);
        }
    }

    [[nodiscard]] bool in_zone_ram(std::uint64_t address, std::uint64_t size) const {
        return range_inside(address, size, options.ram_address, options.ram_size);
    }

    void push(const DeviceRequest& request);
    void deliver(const DeviceResult& result);
    std::optional<std::uint64_t> guest_access(std::uint32_t cpu, std::uint64_t address, unsigned size,
                                              bool is_write, std::uint64_t value);

    Options options;
    bool refuses_pinning = false;
    UniqueFd ram;
    UniqueFd wakeup;
    BridgePage bridge{};

    std::mutex ring_lock; ///< producers of the request ring
    std::mutex lock;      ///< everything below
    std::condition_variable interrupted;
    std::vector<Zone> zones;
    std::uint64_t waiting_cpus = 0; ///< those that wait for an answer
    Counts counts;
    std::string panicked;
};

Simulated::Simulated(Options options) : impl_(std::make_unique<Impl>(options)) {}
Simulated::~Simulated() = default;

Result<std::uint64_t> Simulated::config_magic() {
    return impl_->options.magic;
}

Result<std::vector<ZoneInfo>> Simulated::list_zones() {
    const std::scoped_lock guard(impl_->lock);
    std::vector<ZoneInfo> infos;
    for (const auto& zone : impl_->zones) {
        infos.push_back({.id = zone.id, .cpus = zone.cpus, .name = zone.name, .has_error = zone.has_error});
    }
    return infos;
}

Result<Mapping> Simulated::map_ram(std::uint64_t address, std::uint64_t size) {
    if (address % page_bytes != 0 || size == 0 || !impl_->in_zone_ram(address, size)) {
        return fail(
            ErrorCode::invalid_config,
            "cannot map guest memory {:#x} at {:#x}: it is not reserved for zones ({:#x} at {:#x} is)", size,
            address, impl_->options.ram_size, impl_->options.ram_address);
    }
    return Mapping::map_shared(impl_->ram.get(), address, size, "guest memory");
}

Result<void> Simulated::load(std::uint64_t address, std::span<const std::byte> bytes) {
    const auto begin = address / page_bytes * page_bytes;
    auto mapping = map_ram(begin, address - begin + bytes.size());
    if (!mapping) {
        return std::unexpected(std::move(mapping).error());
    }
    std::ranges::copy(bytes, mapping->data() + (address - begin));
    return {};
}

Result<void> Simulated::start_zone(std::span<const std::byte> config) {
    const auto wanted = impl_->options.config_size;
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
        } else if (region.type == 0 && !impl_->in_zone_ram(region.physical_start, region.size)) {
            return fail(ErrorCode::invalid_config,
                        "the hypervisor did not start the zone: RAM {:#x} at {:#x} is not "
                        "reserved for zones",
                        region.size, region.physical_start);
        }
    }
    std::array<char, name_size> name{};
    std::memcpy(name.data(), config.subspan(2328, name_size).data(), name_size);

    const std::scoped_lock guard(impl_->lock);
    if (impl_->find(id) != nullptr) {
        return fail(ErrorCode::hypervisor_refused,
                    "the hypervisor did not start the zone: zone {} is already there", id);
    }
    const bool is_taken =
        std::ranges::any_of(impl_->zones, [cpus](const auto& zone) { return (zone.cpus & cpus) != 0; });
    if (cpus == 0 || (cpus & ~impl_->options.cpus) != 0 || is_taken) {
        return fail(ErrorCode::resource_busy,
                    "the hypervisor did not start the zone: of the CPUs {:#x} one is not "
                    "there or belongs to another zone",
                    cpus);
    }
    impl_->zones.push_back({.id = id,
                            .name = std::string(name.data(), ::strnlen(name.data(), name.size())),
                            .cpus = cpus,
                            .has_error = false,
                            .windows = std::move(windows),
                            .pending = {},
                            .active = {}});
    return {};
}

Result<void> Simulated::shutdown_zone(std::uint32_t id) {
    const auto deadline = Clock::now() + shutdown_timeout;
    std::unique_lock guard(impl_->lock);
    const auto* zone = id != 0 ? impl_->find(id) : nullptr;
    if (zone == nullptr) {
        return fail(ErrorCode::no_such_zone, "the hypervisor has no zone {} that can be shut down", id);
    }
    // A CPU that waits for an answer does not take the shutdown interrupt.
    const auto cpus = zone->cpus;
    while ((impl_->waiting_cpus & cpus) != 0 && Clock::now() < deadline) {
        guard.unlock();
        std::this_thread::sleep_for(std::chrono::microseconds(100));
        guard.lock();
    }
    if ((impl_->waiting_cpus & cpus) != 0) {
        impl_->panic(std::format("zone {} was shut down while a CPU waited for an answer", id));
    }
    std::erase_if(impl_->zones, [id](const auto& other) { return other.id == id; });
    return {};
}

BridgePage& Simulated::bridge_page() {
    return impl_->bridge;
}

int Simulated::wakeup_fd() const {
    return impl_->wakeup.get();
}

void Simulated::finish_requests() {
    const std::scoped_lock guard(impl_->lock);
    auto& page = impl_->bridge;
    ++impl_->counts.finish_calls;
    for (auto front = load_relaxed(page.result_front); front != load_acquire(page.result_rear);) {
        const auto& slot = page.results[front];
        impl_->deliver(
            {.target_zone = load_relaxed(slot.target_zone), .interrupt = load_relaxed(slot.interrupt)});
        front = (front + 1) % bridge_ring_size;
        store_release(page.result_front, front);
    }
}

void Simulated::Impl::deliver(const DeviceResult& result) {
    auto* zone = find(result.target_zone);
    if (zone == nullptr) {
        ++counts.dropped;
        return;
    }
    const auto count = counts.injected + counts.lost_injections + 1;
    if ((options.lose_injections != 0 && count % options.lose_injections == 0) ||
        (options.lose_active && zone->active.contains(result.interrupt))) {
        ++counts.lost_injections;
        return;
    }
    ++counts.injected;
    zone->pending.insert(result.interrupt);
    interrupted.notify_all();
}

void Simulated::add_zone(std::uint32_t id, std::string name, std::uint64_t cpus,
                         std::vector<Window> windows) {
    const std::scoped_lock guard(impl_->lock);
    impl_->zones.push_back({.id = id,
                            .name = std::move(name),
                            .cpus = cpus,
                            .has_error = false,
                            .windows = std::move(windows),
                            .pending = {},
                            .active = {}});
}

void Simulated::Impl::push(const DeviceRequest& request) {
    std::unique_lock producers(ring_lock);
    auto rear = load_relaxed(bridge.request_rear);
    while ((rear + 1) % bridge_ring_size == load_acquire(bridge.request_front)) {
        producers.unlock();
        std::this_thread::yield();
        producers.lock();
        rear = load_relaxed(bridge.request_rear);
    }
    auto& slot = bridge.requests[rear];
    store_relaxed(slot.src_cpu, request.src_cpu);
    store_relaxed(slot.address, request.address);
    store_relaxed(slot.size, request.size);
    store_relaxed(slot.value, request.value);
    store_relaxed(slot.src_zone, request.src_zone);
    store_relaxed(slot.is_write, request.is_write);
    store_relaxed(slot.need_interrupt, request.need_interrupt);
    store_release(bridge.request_rear, (rear + 1) % bridge_ring_size);
    producers.unlock();

    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (load_relaxed(bridge.need_wakeup) != 1) {
        return;
    }
    const std::scoped_lock guard(lock);
    if (options.lose_wakeups != 0 && (counts.wakeups + counts.lost_wakeups + 1) % options.lose_wakeups == 0) {
        ++counts.lost_wakeups;
        return;
    }
    ++counts.wakeups;
    ::eventfd_write(wakeup.get(), 1);
}

void Simulated::push_raw(const DeviceRequest& request) {
    impl_->push(request);
}

std::optional<std::uint64_t> Simulated::Impl::guest_access(std::uint32_t cpu, std::uint64_t address,
                                                           unsigned size, bool is_write,
                                                           std::uint64_t value) {
    DeviceRequest request{.src_cpu = cpu,
                          .address = address,
                          .size = size,
                          .value = value,
                          .src_zone = 0,
                          .is_write = is_write ? std::uint8_t{1} : std::uint8_t{0},
                          .need_interrupt = 0,
                          .padding = 0};
    {
        const std::scoped_lock guard(lock);
        auto* zone = zone_of_cpu(cpu);
        if (zone == nullptr) {
            return std::nullopt;
        }
        const auto window = std::ranges::find_if(zone->windows, [address, size](const Window& candidate) {
            return range_inside(address, size, candidate.address, candidate.size);
        });
        if (window == zone->windows.end()) {
            zone->has_error = true;
            return std::nullopt;
        }
        request.src_zone = zone->id;
        request.need_interrupt = address - window->address == queue_notify ? 1 : 0;
        if (request.need_interrupt == 0) {
            waiting_cpus |= std::uint64_t{1} << cpu;
        }
    }
    const auto before = load_acquire(bridge.answer_counts[cpu]);
    push(request);
    if (request.need_interrupt != 0) {
        return 0;
    }
    const auto deadline = Clock::now() + answer_timeout;
    bool answered = false;
    do {
        for (int i = 0; i < 100 && !answered; ++i) {
            answered = load_acquire(bridge.answer_counts[cpu]) != before;
        }
        if (!answered) {
            std::this_thread::yield();
        }
    } while (!answered && Clock::now() < deadline);
    const std::scoped_lock guard(lock);
    if (!answered) {
        panic(std::format("CPU {} got no answer for its access to {:#x}", cpu, address));
        return std::nullopt;
    }
    waiting_cpus &= ~(std::uint64_t{1} << cpu);
    return load_relaxed(bridge.answer_values[cpu]);
}

std::optional<std::uint64_t> Simulated::guest_read(std::uint32_t cpu, std::uint64_t address, unsigned size) {
    return impl_->guest_access(cpu, address, size, false, 0);
}

bool Simulated::guest_write(std::uint32_t cpu, std::uint64_t address, unsigned size, std::uint64_t value) {
    return impl_->guest_access(cpu, address, size, true, value).has_value();
}

std::uint32_t Simulated::take_any_interrupt(std::uint32_t zone, std::chrono::milliseconds timeout) {
    std::unique_lock guard(impl_->lock);
    std::uint32_t taken = 0;
    impl_->interrupted.wait_for(guard, timeout, [&] {
        auto* found = impl_->find(zone);
        if (found == nullptr || found->pending.empty()) {
            return false;
        }
        taken = *found->pending.begin();
        found->pending.erase(taken);
        found->active.insert(taken);
        return true;
    });
    return taken;
}

bool Simulated::take_interrupt(std::uint32_t zone, std::uint32_t interrupt,
                               std::chrono::milliseconds timeout) {
    std::unique_lock guard(impl_->lock);
    return impl_->interrupted.wait_for(guard, timeout, [&] {
        auto* found = impl_->find(zone);
        if (found == nullptr || found->pending.erase(interrupt) == 0) {
            return false;
        }
        found->active.insert(interrupt);
        return true;
    });
}

void Simulated::end_interrupt(std::uint32_t zone, std::uint32_t interrupt) {
    const std::scoped_lock guard(impl_->lock);
    if (auto* found = impl_->find(zone)) {
        found->active.erase(interrupt);
    }
}

void Simulated::power_off(std::uint32_t zone) {
    const std::scoped_lock guard(impl_->lock);
    std::erase_if(impl_->zones, [zone](const auto& other) { return other.id == zone; });
}

void Simulated::set_losses(unsigned lose_injections, unsigned lose_wakeups, bool lose_active) {
    const std::scoped_lock guard(impl_->lock);
    impl_->options.lose_injections = lose_injections;
    impl_->options.lose_wakeups = lose_wakeups;
    impl_->options.lose_active = lose_active;
}

bool Simulated::refuses_pinning() const {
    return impl_->refuses_pinning;
}

Simulated::Counts Simulated::counts() const {
    const std::scoped_lock guard(impl_->lock);
    return impl_->counts;
}

std::string Simulated::panicked() const {
    const std::scoped_lock guard(impl_->lock);
    return impl_->panicked;
}

} // namespace hvisor::hypervisor
