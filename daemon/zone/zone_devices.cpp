// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_devices.hpp"

#include "base/checked.hpp"
#include "virtio/registers.hpp"
#include "zone/device_slot.hpp"
#include "zone/zone_inputs.hpp"

#include <algorithm>
#include <format>
#include <linux/input-event-codes.h>
#include <mutex>
#include <set>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace hvisor::zone {
namespace {

/// The registers without a configuration space (virtio 1.2, 4.2.2).
constexpr std::uint64_t smallest_window = 0x100;
/// An eighth different pending interrupt of one zone stops the hypervisor (hvisor interface, 2.3).
constexpr std::size_t most_interrupts = 7;

using Slots = std::vector<std::shared_ptr<DeviceSlot>>;

/// Whether a device fits beside those that are there.
Result<void> check_window(const DeviceSettings& device, const Slots& others) {
    if (device.length < smallest_window || !checked_add(device.address, device.length)) {
        return fail(ErrorCode::invalid_config,
                    "{} at {:#x}: the length {:#x} is less than {:#x} or wraps around", type_of(device),
                    device.address, device.length, smallest_window);
    }
    std::set<std::uint32_t> interrupts{device.interrupt};
    for (const auto& other : others) {
        if (ranges_overlap(other->address(), other->length(), device.address, device.length)) {
            return fail(ErrorCode::invalid_config, "{} at {:#x} overlaps {}", type_of(device), device.address,
                        other->id());
        }
        interrupts.insert(other->interrupt());
    }
    if (interrupts.size() > most_interrupts) {
        return fail(ErrorCode::invalid_config,
                    "the devices use {} different interrupts, the hypervisor can take {}; "
                    "let some share one",
                    interrupts.size(), most_interrupts);
    }
    return {};
}

} // namespace

struct ZoneDevices::Impl {
    explicit Impl(SlotContext context_) : context(std::move(context_)) {}

    /// The devices as they are now, for any thread but TrapLoop.
    [[nodiscard]] Slots slots_now() const {
        const std::scoped_lock guard(lock);
        return slots;
    }

    [[nodiscard]] Result<std::shared_ptr<DeviceSlot>> find(const std::string& id) const {
        for (auto& slot : slots_now()) {
            if (slot->id() == id) {
                return slot;
            }
        }
        return fail(ErrorCode::no_such_device, "no device {} in this zone", id);
    }

    [[nodiscard]] Result<std::shared_ptr<DeviceSlot>> find_console(const std::string& id) const {
        for (auto& slot : slots_now()) {
            if (slot->console() != nullptr && (id.empty() || slot->id() == id)) {
                return slot;
            }
        }
        return fail(ErrorCode::no_such_device, "no console {} in this zone", id.empty() ? "device" : id);
    }

    /// Change `slots` where nothing looks at them meanwhile.
    template <class Change>
    void change(Change apply) {
        context.trap_loop.reactor().call([&] {
            const std::scoped_lock guard(lock);
            apply(slots);
        });
    }

    const SlotContext context;
    mutable std::mutex lock;
    /// Changed by TrapLoop, under the lock: so it reads them without.
    Slots slots;
};

Result<std::shared_ptr<ZoneDevices>>
ZoneDevices::create(std::uint32_t zone, const std::string& zone_name,
                    const std::shared_ptr<const guest::GuestMemory>& memory,
                    std::vector<DeviceSettings> settings, hypervisor::TrapLoop& interrupts, FdStore& store) {
    auto impl = std::make_unique<Impl>(SlotContext{.zone = zone,
                                                   .zone_name = zone_name,
                                                   .memory = memory,
                                                   .trap_loop = interrupts,
                                                   .inputs = std::make_shared<ZoneInputs>(),
                                                   .store = store});
    std::shared_ptr<ZoneDevices> devices(new ZoneDevices(std::move(impl)));
    for (auto& one : settings) {
        if (auto attached = devices->attach(std::move(one)); !attached) {
            return std::unexpected(std::move(attached).error());
        }
    }
    return devices;
}

ZoneDevices::ZoneDevices(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ZoneDevices::~ZoneDevices() = default;

Result<std::string> ZoneDevices::attach(DeviceSettings settings) {
    if (auto fits = check_window(settings, impl_->slots_now()); !fits) {
        return std::unexpected(std::move(fits).error());
    }
    auto slot = DeviceSlot::create(std::move(settings), impl_->context);
    if (!slot) {
        return std::unexpected(std::move(slot).error());
    }
    impl_->change([&](Slots& slots) { slots.push_back(*slot); });
    impl_->context.inputs->set_devices(impl_->slots_now());
    return (*slot)->id();
}

Result<void> ZoneDevices::detach(const std::string& id, bool force) {
    auto slot = impl_->find(id);
    if (!slot) {
        return std::unexpected(std::move(slot).error());
    }
    // Linux says ACKNOWLEDGE of a device whose driver has let go, too.
    if (((*slot)->transport().status() & virtio::status::driver) != 0 && !force) {
        return fail(ErrorCode::wrong_state,
                    "the zone's driver uses {}; unbind it there first (Linux: the name of the device goes to "
                    "/sys/bus/platform/drivers/virtio-mmio/unbind), or force it, and what waits for the "
                    "device then waits for ever",
                    id);
    }
    impl_->change([&](Slots& slots) { std::erase(slots, *slot); });
    impl_->context.inputs->set_devices(impl_->slots_now());
    (*slot)->device().quiesce();
    (*slot)->device().disconnect();
    (*slot)->forget(); // who looks at it still has it
    return {};
}

std::vector<std::pair<std::uint64_t, std::string>> ZoneDevices::keys() const {
    std::vector<std::pair<std::uint64_t, std::string>> keys;
    for (const auto& slot : impl_->slots_now()) {
        keys.emplace_back(slot->address(), slot->key());
    }
    return keys;
}

void ZoneDevices::forget() {
    for (const auto& slot : impl_->slots_now()) {
        slot->forget();
    }
}

void ZoneDevices::tidy() {
    for (const auto& slot : impl_->slots_now()) {
        if (slot->console() != nullptr) {
            slot->console()->drop_left();
        }
    }
}

std::optional<std::uint64_t> ZoneDevices::access(const hypervisor::TrapRequest& request) {
    for (const auto& slot : impl_->slots) {
        if (range_inside(request.address, request.size, slot->address(), slot->length())) {
            return slot->transport().access({.offset = request.address - slot->address(),
                                             .value = request.value,
                                             .cpu = request.cpu,
                                             .size = request.size,
                                             .is_write = request.is_write,
                                             .needs_answer = request.needs_answer});
        }
    }
    return 0;
}

void ZoneDevices::quiesce() {
    const auto slots = impl_->slots_now();
    for (const auto& slot : slots) {
        slot->device().quiesce();
    }
    for (const auto& slot : slots) {
        slot->device().disconnect();
    }
}

std::shared_ptr<ZoneInputs> ZoneDevices::inputs() const {
    return impl_->context.inputs;
}

std::vector<DeviceState> ZoneDevices::inspect() const {
    std::vector<DeviceState> states;
    for (const auto& slot : impl_->slots_now()) {
        states.push_back(slot->inspect());
    }
    return states;
}

Result<UniqueFd> ZoneDevices::open_console(const std::string& id, const ConsoleAttach& options) {
    return impl_->find_console(id).and_then([&](const auto& slot) {
        return slot->console()->attach(
            options.port, {.replay = options.replay, .read_only = options.read_only, .force = options.force});
    });
}

Result<void> ZoneDevices::resize_console(const std::string& id, const std::string& port, ConsoleSize size) {
    return impl_->find_console(id).and_then([&](const auto& slot) {
        return slot->console()->resize(port, {.columns = size.columns, .rows = size.rows});
    });
}

std::optional<ZoneDevices::PowerOffRequest> ZoneDevices::ask_to_power_off() {
    if (auto stream = ask_agent_to_power_off()) {
        return PowerOffRequest{.way = "by its guest agent", .stream = std::move(*stream)};
    }
    auto& inputs = *impl_->context.inputs;
    // Linux acts when it goes up (systemd-logind: one that stays down for 5 s is another wish).
    if (inputs.has_keyboard() && inputs.key(KEY_POWER, true) && inputs.key(KEY_POWER, false)) {
        return PowerOffRequest{.way = "by its power key", .stream = {}};
    }
    return std::nullopt;
}

std::optional<UniqueFd> ZoneDevices::ask_agent_to_power_off() {
    // A byte that no JSON has makes the agent forget what it has got of another
    // request (QEMU Guest Agent Protocol, guest-sync-delimited).
    constexpr std::string_view request = "\xff{\"execute\":\"guest-shutdown\"}\n";
    for (const auto& slot : impl_->slots_now()) {
        const auto ports = slot->inspect().ports;
        const auto agent = std::ranges::find(ports, agent_port, &PortState::name);
        if (agent == ports.end() || !agent->guest_open) {
            continue;
        }
        auto stream = slot->console()->attach(agent_port, {.replay = 0, .read_only = false, .force = true});
        if (stream &&
            ::write(stream->get(), request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
            return std::move(*stream);
        }
    }
    return std::nullopt;
}

Result<std::uint64_t> ZoneDevices::resize_disk(const std::string& id, std::uint64_t bytes) {
    return disk(id).and_then([&](const auto& slot) { return slot->block()->resize(bytes); });
}

Result<std::uint64_t> ZoneDevices::swap_image(const std::string& id, const std::string& path,
                                              UniqueFd image) {
    return disk(id).and_then([&](const auto& slot) { return slot->swap_image(path, std::move(image)); });
}

Result<void> ZoneDevices::set_link(const std::string& id, bool is_plugged) {
    return impl_->find(id).and_then([&](const auto& slot) -> Result<void> {
        if (slot->net() == nullptr) {
            return fail(ErrorCode::no_such_device, "{} is no network device, and has no link", id);
        }
        slot->net()->set_plugged(is_plugged);
        return {};
    });
}

Result<devices::gpu::Screenshot> ZoneDevices::take_screenshot(const std::string& id, std::size_t display,
                                                              bool with_cursor) {
    return gpu(id).and_then(
        [&](const auto& slot) { return slot->gpu()->take_screenshot(display, with_cursor); });
}

Result<void> ZoneDevices::resize_display(const std::string& id, std::size_t display,
                                         devices::gpu::Size size) {
    return gpu(id).and_then([&](const auto& slot) { return slot->gpu()->resize(display, size); });
}

Result<std::shared_ptr<DeviceSlot>> ZoneDevices::gpu(const std::string& id) const {
    auto slot = impl_->find(id);
    if (slot && (*slot)->gpu() == nullptr) {
        return fail(ErrorCode::no_such_device, "{} is no GPU device, and has no display", id);
    }
    return slot;
}

Result<std::shared_ptr<DeviceSlot>> ZoneDevices::disk(const std::string& id) const {
    auto slot = impl_->find(id);
    if (slot && (*slot)->block() == nullptr) {
        return fail(ErrorCode::no_such_device, "{} is no disk", id);
    }
    return slot;
}

} // namespace hvisor::zone
