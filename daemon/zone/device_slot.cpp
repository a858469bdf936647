// SPDX-License-Identifier: Apache-2.0
#include "zone/device_slot.hpp"

#include "base/blame.hpp"
#include "base/reactor.hpp"
#include "devices/entropy/device.hpp"
#include "devices/input/evdev.hpp"
#include "devices/input/models.hpp"
#include "devices/vsock/device.hpp"
#include "devices/vsock/vhost.hpp"
#include "virtio/device_record.hpp"
#include "zone/kept_console.hpp"
#include "zone/open_screen.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <format>
#include <utility>

namespace hvisor::zone {
namespace {

/// After 30 s, when Linux begins to look after a disk of its own, it would be too late.
constexpr std::chrono::seconds stall_time{10};

devices::input::Capabilities make_capabilities(InputModel model) {
    switch (model) {
    case InputModel::tablet:
        return devices::input::tablet();
    case InputModel::mouse:
        return devices::input::mouse();
    case InputModel::keyboard:
    case InputModel::evdev: // which has its own
        return devices::input::keyboard();
    }
    std::unreachable();
}

std::size_t memory_size_of(const DeviceSettings& settings) {
    return std::holds_alternative<GpuSettings>(settings.model) ? devices::gpu::GpuDevice::memory_size
                                                               : StateMemory::default_size;
}

} // namespace

std::string_view type_of(const DeviceSettings& settings) {
    constexpr std::array<std::string_view, 7> names{"block", "console", "net",  "entropy",
                                                    "vsock", "gpu",     "input"}; // as in the variant
    return names.at(settings.model.index());
}

Result<std::shared_ptr<DeviceSlot>> DeviceSlot::create(DeviceSettings settings, const SlotContext& context) {
    const auto type = type_of(settings);
    std::shared_ptr<DeviceSlot> slot(new DeviceSlot(settings, context.store));
    const auto interrupt = settings.interrupt;
    const auto id = std::format("{}-{:x}", type, slot->address_);
    const auto state = slot->kept_.memory(context.zone_name + "/" + id, memory_size_of(settings));
    // What a process before this one has left may be what ends this one, already here.
    std::optional<Blame> blame;
    if (state != nullptr) {
        blame.emplace(virtio::DeviceRecord::in(*state).faults);
    }
    if (auto made = slot->make_device(std::move(settings),
                                      {.zone = context.zone,
                                       .zone_name = context.zone_name,
                                       .id = id,
                                       .interrupt = interrupt,
                                       .memory = context.memory,
                                       .port = context.trap_loop,
                                       // Which thread owns which queue is decided here: TrapLoop
                                       // all, because no back end blocks, and a hand-over to
                                       // another thread is the dearest thing on their way. But
                                       // see make_gpu().
                                       .owner = context.trap_loop.reactor(),
                                       .state = state},
                                      context.inputs);
        !made) {
        return std::unexpected(
            std::move(made).error().with_context(std::format("{} at {:#x}", type, slot->address_)));
    }
    slot->transport_ = std::make_unique<virtio::MmioTransport>(*slot->device_);
    slot->transport_->resume();
    return slot;
}

DeviceSlot::~DeviceSlot() {
    if (device_) {
        device_->close();
    }
}

Result<void> DeviceSlot::make_vsock(const VsockSettings& settings, virtio::DeviceContext context) {
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
    device_ = std::make_unique<devices::vsock::VsockDevice>(std::move(context), std::move(*vhost),
                                                            settings.cid, std::move(*helper));
    return {};
}

/// A picture of some megabytes is copied in a millisecond or ten, for which no
/// guest CPU shall wait at a register: so the device has a thread of its own.
Result<void> DeviceSlot::make_gpu(const GpuSettings& settings, virtio::DeviceContext context,
                                  const std::shared_ptr<ZoneInputs>& inputs) {
    auto owner =
        Reactor::start({.name = std::format("gpu-{}", context.zone_name), .cpus = {}, .on_crash = {}});
    if (!owner) {
        return std::unexpected(std::move(owner).error());
    }
    owner_ = std::move(*owner);
    const GpuConfig& config = settings.config;
    std::vector<std::unique_ptr<devices::gpu::Screen>> screens;
    for (std::size_t i = 0; i < config.displays.size(); ++i) {
        auto screen = open_screen(*owner_, settings, i, context, inputs, kept_);
        if (!screen) {
            return std::unexpected(std::move(screen).error().with_context(settings.location));
        }
        screens.push_back(std::move(*screen));
    }
    auto renderer = config.is_3d ? open_renderer(*owner_, context) : nullptr;
    auto gpu = std::make_unique<devices::gpu::GpuDevice>(
        virtio::DeviceContext{.zone = context.zone,
                              .zone_name = std::move(context.zone_name),
                              .id = std::move(context.id),
                              .interrupt = context.interrupt,
                              .memory = std::move(context.memory),
                              .port = context.port,
                              .owner = *owner_,
                              .state = std::move(context.state)},
        std::move(screens), devices::gpu::GpuLimits{.resources = config.resources, .memory = config.memory},
        std::move(renderer));
    gpu_ = gpu.get();
    gpu_memory_ = config.memory;
    device_ = std::move(gpu);
    return {};
}

Result<void> DeviceSlot::make_input(const InputSettings& settings, virtio::DeviceContext context) {
    using namespace devices::input;
    const InputConfig& config = settings.config;
    std::unique_ptr<EvdevBackend> real;
    if (config.model == InputModel::evdev) {
        auto opened = EvdevBackend::open({.path = config.path,
                                          .grab = config.grab,
                                          .about = {.zone = context.zone_name, .device = context.id}});
        if (!opened) {
            return std::unexpected(std::move(opened).error().with_context(settings.location + "/path"));
        }
        real = std::move(*opened);
    }
    auto capabilities = real ? real->capabilities() : make_capabilities(config.model);
    auto input = std::make_unique<InputDevice>(std::move(context), std::move(capabilities),
                                               std::string(to_string(config.model)), std::move(real));
    input_ = input.get();
    device_ = std::move(input);
    return {};
}

Result<void> DeviceSlot::make_device(DeviceSettings settings, virtio::DeviceContext context,
                                     const std::shared_ptr<ZoneInputs>& inputs) {
    if (auto* wanted = std::get_if<BlockSettings>(&settings.model)) {
        const int image = wanted->image.get();
        auto backend = devices::block::FileBackend::open(std::move(wanted->image), std::move(wanted->file));
        if (!backend) {
            return std::unexpected(std::move(backend).error());
        }
        kept_.keep(kept_disk, image);
        auto block = std::make_unique<devices::block::BlockDevice>(std::move(context), std::move(*backend),
                                                                   wanted->options);
        block_ = block.get();
        device_ = std::move(block);
        return {};
    }
    if (auto* wanted = std::get_if<NetSettings>(&settings.model)) {
        return make_net(*wanted, std::move(context));
    }
    if (const auto* entropy = std::get_if<EntropySettings>(&settings.model)) {
        device_ = std::make_unique<devices::entropy::EntropyDevice>(
            std::move(context), devices::entropy::kernel_random, entropy->limit);
        return {};
    }
    if (const auto* vsock = std::get_if<VsockSettings>(&settings.model)) {
        return make_vsock(*vsock, std::move(context));
    }
    if (const auto* gpu = std::get_if<GpuSettings>(&settings.model)) {
        return make_gpu(*gpu, std::move(context), inputs);
    }
    if (const auto* input = std::get_if<InputSettings>(&settings.model)) {
        return make_input(*input, std::move(context));
    }
    make_console(std::move(std::get<ConsoleSettings>(settings.model)), std::move(context));
    return {};
}

Result<void> DeviceSlot::make_net(const NetSettings& settings, virtio::DeviceContext context) {
    auto tap = devices::net::TapBackend::open(settings.tap, kept_.take_all(kept_tap));
    if (!tap) {
        auto& [key, error] = tap.error();
        return std::unexpected(std::move(error).with_context(std::format("{}/{}", settings.location, key)));
    }
    for (std::uint16_t i = 0; !kept_.is_continued() && i < (*tap)->pairs(); ++i) {
        kept_.keep(std::format("{}.{}", kept_tap, i), (*tap)->fd(i));
    }
    auto net =
        std::make_unique<devices::net::NetDevice>(std::move(context), std::move(*tap), settings.options);
    net_ = net.get();
    device_ = std::move(net);
    return {};
}

void DeviceSlot::make_console(ConsoleSettings settings, virtio::DeviceContext context) {
    std::vector<devices::console::PortOptions> ports;
    ports.reserve(settings.ports.size());
    for (auto& port : settings.ports) {
        ports.push_back({.name = std::move(port.name), .is_console = port.is_console});
    }
    auto remains = take_console(kept_, ports.size() + 1);
    auto console = std::make_unique<devices::console::ConsoleDevice>(
        std::move(context), std::move(ports), settings.is_logged, std::move(remains), keep_clients(kept_));
    keep_ports(kept_, console->files());
    console_ = console.get();
    device_ = std::move(console);
}

Result<std::uint64_t> DeviceSlot::swap_image(const std::string& path, UniqueFd image) {
    const int file = image.get();
    auto size = block_->swap_image(path, std::move(image));
    if (size) {
        kept_.keep(kept_disk, file);
    }
    return size;
}

std::vector<PortState> DeviceSlot::port_states() const {
    std::vector<PortState> states;
    if (console_ == nullptr) {
        return states;
    }
    for (auto& port : console_->ports()) {
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

GpuState DeviceSlot::gpu_state() const {
    GpuState state{.displays = {},
                   .memory_used = gpu_->memory_used(),
                   .memory_limit = gpu_memory_,
                   .renderer = gpu_->renderer_name()};
    for (auto& scanout : gpu_->scanouts()) {
        state.displays.push_back({.connector = std::move(scanout.connector),
                                  .is_connected = scanout.is_connected,
                                  .is_on = scanout.is_on,
                                  .width = scanout.size.width,
                                  .height = scanout.size.height,
                                  .refresh = scanout.refresh,
                                  .frames = scanout.frames,
                                  .frames_per_second = scanout.frames_per_second,
                                  .remote = std::move(scanout.remote),
                                  .viewers = scanout.viewers});
    }
    return state;
}

DeviceState DeviceSlot::inspect() const {
    const auto& device = *device_;
    DeviceState state;
    state.id = id();
    state.type = device.type_name();
    state.address = address_;
    state.length = length_;
    state.interrupt = interrupt();
    state.status = transport_->status();
    state.reset_reason = device.reset_reason();
    state.last_register = transport_->last_register();
    state.accesses = transport_->accesses();
    for (std::size_t i = 0; i < device.queue_count(); ++i) {
        state.queues.push_back({.size = transport_->queue_size(i),
                                .ready = transport_->queue_ready(i),
                                .avail_index = device.queue_state(i).indices.next_avail(),
                                .used_index = device.queue_state(i).indices.next_used(),
                                .metrics = device.queue_state(i).metrics.sample()});
    }
    if (const auto age = device.interrupt().unacknowledged(virtio::Interrupt::Clock::now())) {
        state.unacknowledged = std::chrono::duration_cast<std::chrono::milliseconds>(*age);
    }
    state.interrupts_sent = device.interrupt().sent();
    state.interrupts_repeated = device.interrupt().repeated();
    state.backend = device.backend_name();
    state.is_stalled = device.backend_silence(Reactor::Clock::now()) >= stall_time;
    state.ports = port_states();
    if (block_ != nullptr) {
        state.disk = {
            .capacity = block_->capacity(), .read_only = block_->read_only(), .serial = block_->serial()};
    }
    if (net_ != nullptr) {
        state.link = {.mac = net_->mac(),
                      .mtu = net_->mtu(),
                      .is_plugged = net_->is_plugged(),
                      .is_up = net_->is_link_up()};
    }
    if (gpu_ != nullptr) {
        state.gpu = gpu_state();
    }
    if (input_ != nullptr) {
        state.input = {.model = input_->model(),
                       .name = input_->capabilities().name,
                       .leds = input_->leds(),
                       .dropped = input_->dropped()};
    }
    return state;
}

} // namespace hvisor::zone
