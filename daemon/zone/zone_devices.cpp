// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_devices.hpp"

#include "base/checked.hpp"
#include "base/reactor.hpp"
#include "devices/block/device.hpp"
#include "devices/console/device.hpp"
#include "devices/entropy/device.hpp"
#include "devices/net/device.hpp"
#include "devices/vsock/device.hpp"
#include "devices/vsock/vhost.hpp"
#include "virtio/device.hpp"
#include "virtio/mmio_transport.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <set>
#include <string_view>
#include <utility>

namespace hvisor::zone {
namespace {

/// The registers without a configuration space (virtio 1.2, 4.2.2).
constexpr std::uint64_t smallest_window = 0x100;
/// An eighth different pending interrupt of one zone stops the hypervisor (hvisor interface, 2.3).
constexpr std::size_t max_interrupts = 7;

std::string_view type_of(const DeviceSettings& settings) {
    constexpr std::array<std::string_view, 5> names{"block", "console", "net", "entropy",
                                                    "vsock"}; // as in the variant
    return names.at(settings.model.index());
}

Result<void> check_windows(const std::vector<DeviceSettings>& all) {
    std::set<std::uint32_t> interrupts;
    for (auto device = all.begin(); device != all.end(); ++device) {
        if (device->length < smallest_window || !checked_add(device->address, device->length)) {
            return fail(ErrorCode::invalid_config,
                        "{} at {:#x}: the length {:#x} is less than {:#x} or wraps around", type_of(*device),
                        device->address, device->length, smallest_window);
        }
        const auto other = std::find_if(all.begin(), device, [&](const DeviceSettings& before) {
            return ranges_overlap(before.address, before.length, device->address, device->length);
        });
        if (other != device) {
            return fail(ErrorCode::invalid_config, "{} at {:#x} overlaps {} at {:#x}", type_of(*device),
                        device->address, type_of(*other), other->address);
        }
        interrupts.insert(device->interrupt);
    }
    if (interrupts.size() > max_interrupts) {
        return fail(ErrorCode::invalid_config,
                    "the devices use {} different interrupts, the hypervisor can take {}; "
                    "let some share one",
                    interrupts.size(), max_interrupts);
    }
    return {};
}

/// One device with everything that belongs to it.
struct Slot {
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint32_t interrupt = 0;
    std::unique_ptr<virtio::Device> device;
    devices::console::ConsoleDevice* console = nullptr; ///< the device, when it is one
    devices::block::BlockDevice* block = nullptr;       ///< the same
    std::unique_ptr<virtio::MmioTransport> transport;
};

Result<void> make_vsock(Slot& slot, const VsockSettings& settings, virtio::DeviceContext context) {
    auto vhost = devices::vsock::open_vhost_file().and_then([&](auto file) {
        return devices::vsock::VhostVsock::create(std::move(file), settings.cid, *context.memory);
    });
    if (!vhost) {
        return std::unexpected(std::move(vhost).error().with_context(settings.location));
    }
    auto helper = Reactor::start({.name = "vsock-setup", .cpus = {}, .on_crash = {}});
    if (!helper) {
        return std::unexpected(std::move(helper).error());
    }
    slot.device = std::make_unique<devices::vsock::VsockDevice>(std::move(context), std::move(*vhost),
                                                                settings.cid, std::move(*helper));
    return {};
}

Result<void> make_device(Slot& slot, DeviceSettings settings, virtio::DeviceContext context) {
    if (auto* wanted = std::get_if<BlockSettings>(&settings.model)) {
        auto backend = devices::block::FileBackend::open(std::move(wanted->image), std::move(wanted->file));
        if (!backend) {
            return std::unexpected(std::move(backend).error());
        }
        auto block = std::make_unique<devices::block::BlockDevice>(std::move(context), std::move(*backend),
                                                                   wanted->options);
        slot.block = block.get();
        slot.device = std::move(block);
        return {};
    }
    if (auto* wanted = std::get_if<NetSettings>(&settings.model)) {
        auto tap = devices::net::TapBackend::open(wanted->tap);
        if (!tap) {
            auto& [key, error] = tap.error();
            return std::unexpected(
                std::move(error).with_context(std::format("{}/{}", wanted->location, key)));
        }
        slot.device =
            std::make_unique<devices::net::NetDevice>(std::move(context), std::move(*tap), wanted->options);
        return {};
    }
    if (const auto* entropy = std::get_if<EntropySettings>(&settings.model)) {
        slot.device = std::make_unique<devices::entropy::EntropyDevice>(
            std::move(context), devices::entropy::kernel_random, entropy->limit);
        return {};
    }
    if (const auto* vsock = std::get_if<VsockSettings>(&settings.model)) {
        return make_vsock(slot, *vsock, std::move(context));
    }
    std::vector<devices::console::PortOptions> ports;
    for (auto& port : std::get<ConsoleSettings>(settings.model).ports) {
        ports.push_back({.name = std::move(port.name), .is_console = port.is_console});
    }
    auto console = std::make_unique<devices::console::ConsoleDevice>(std::move(context), std::move(ports));
    slot.console = console.get();
    slot.device = std::move(console);
    return {};
}

std::vector<PortState> port_states(const Slot& slot) {
    std::vector<PortState> states;
    if (slot.console == nullptr) {
        return states;
    }
    for (auto& port : slot.console->ports()) {
        states.push_back({.name = std::move(port.name),
                          .is_console = port.is_console,
                          .terminal = std::move(port.pty_path),
                          .columns = port.size.columns,
                          .rows = port.size.rows,
                          .guest_open = port.guest_open,
                          .clients = port.streams,
                          .has_typist = port.has_typist});
    }
    return states;
}

} // namespace

struct ZoneDevices::Impl {
    std::vector<Slot> slots;

    [[nodiscard]] Result<devices::console::ConsoleDevice*> find_console(const std::string& id) const {
        for (const auto& slot : slots) {
            if (slot.console != nullptr && (id.empty() || slot.device->context().id == id)) {
                return slot.console;
            }
        }
        return fail(ErrorCode::no_such_device, "no console {} in this zone", id.empty() ? "device" : id);
    }

    Impl() = default;
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    Impl(Impl&&) = delete;
    Impl& operator=(Impl&&) = delete;
    ~Impl() {
        for (auto& slot : slots) {
            if (slot.device) {
                slot.device->close();
            }
        }
    }
};

Result<std::shared_ptr<ZoneDevices>>
ZoneDevices::create(std::uint32_t zone, const std::string& zone_name,
                    const std::shared_ptr<const guest::GuestMemory>& memory,
                    std::vector<DeviceSettings> settings, hypervisor::TrapLoop& interrupts) {
    if (auto checked = check_windows(settings); !checked) {
        return std::unexpected(std::move(checked).error());
    }
    auto impl = std::make_unique<Impl>();
    for (auto& one : settings) {
        const auto type = type_of(one);
        const auto id = std::format("{}-{:x}", type, one.address);
        auto& slot = impl->slots.emplace_back();
        slot.address = one.address;
        slot.length = one.length;
        slot.interrupt = one.interrupt;
        if (auto made = make_device(slot, std::move(one),
                                    {.zone = zone,
                                     .zone_name = zone_name,
                                     .id = id,
                                     .interrupt = slot.interrupt,
                                     .memory = memory,
                                     .port = interrupts,
                                     // Which thread owns which queue is decided here: TrapLoop
                                     // all, because no back end blocks, and a hand-over to
                                     // another thread is the dearest thing on their way.
                                     .owner = interrupts.reactor()});
            !made) {
            return std::unexpected(
                std::move(made).error().with_context(std::format("{} at {:#x}", type, slot.address)));
        }
        slot.transport = std::make_unique<virtio::MmioTransport>(*slot.device);
    }
    return std::shared_ptr<ZoneDevices>(new ZoneDevices(std::move(impl)));
}

ZoneDevices::ZoneDevices(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ZoneDevices::~ZoneDevices() = default;

std::optional<std::uint64_t> ZoneDevices::access(const hypervisor::TrapRequest& request) {
    for (auto& slot : impl_->slots) {
        if (range_inside(request.address, request.size, slot.address, slot.length)) {
            return slot.transport->access({.offset = request.address - slot.address,
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
    for (auto& slot : impl_->slots) {
        slot.device->quiesce();
    }
    for (auto& slot : impl_->slots) {
        slot.device->disconnect();
    }
}

std::vector<DeviceState> ZoneDevices::inspect() const {
    std::vector<DeviceState> states;
    const auto now = virtio::Interrupt::Clock::now();
    for (const auto& slot : impl_->slots) {
        const auto& device = *slot.device;
        auto& state = states.emplace_back();
        state.id = device.context().id;
        state.type = device.type_name();
        state.address = slot.address;
        state.length = slot.length;
        state.interrupt = slot.interrupt;
        state.status = slot.transport->status();
        state.last_register = slot.transport->last_register();
        state.accesses = slot.transport->accesses();
        for (std::size_t i = 0; i < device.queue_count(); ++i) {
            state.queues.push_back({.size = slot.transport->queue_size(i),
                                    .ready = slot.transport->queue_ready(i),
                                    .avail_index = device.queue_state(i).indices.next_avail.get(),
                                    .used_index = device.queue_state(i).indices.next_used.get(),
                                    .metrics = device.queue_state(i).metrics.sample()});
        }
        if (const auto age = device.interrupt().unacknowledged(now)) {
            state.unacknowledged = std::chrono::duration_cast<std::chrono::milliseconds>(*age);
        }
        state.interrupts_sent = device.interrupt().sent();
        state.interrupts_repeated = device.interrupt().repeated();
        state.backend = device.backend_name();
        state.ports = port_states(slot);
        if (slot.block != nullptr) {
            state.disk = {.capacity = slot.block->capacity(),
                          .read_only = slot.block->read_only(),
                          .serial = slot.block->serial()};
        }
    }
    return states;
}

Result<UniqueFd> ZoneDevices::open_console(const std::string& id, const ConsoleAttach& options) {
    auto console = impl_->find_console(id);
    if (!console) {
        return std::unexpected(std::move(console).error());
    }
    return (*console)->attach(
        options.port, {.replay = options.replay, .read_only = options.read_only, .force = options.force});
}

Result<void> ZoneDevices::resize_console(const std::string& id, const std::string& port, ConsoleSize size) {
    auto console = impl_->find_console(id);
    if (!console) {
        return std::unexpected(std::move(console).error());
    }
    return (*console)->resize(port, {.columns = size.columns, .rows = size.rows});
}

Result<std::uint64_t> ZoneDevices::resize_disk(const std::string& id, std::uint64_t bytes) {
    for (auto& slot : impl_->slots) {
        if (slot.block != nullptr && slot.device->context().id == id) {
            return slot.block->resize(bytes);
        }
    }
    return fail(ErrorCode::no_such_device, "no disk {} in this zone", id);
}

} // namespace hvisor::zone
