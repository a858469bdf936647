// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/device.hpp"

#include "devices/gpu/commands.hpp"
#include "devices/gpu/config.hpp"
#include "devices/gpu/fence_queue.hpp"
#include "devices/gpu/resource_table.hpp"
#include "devices/gpu/scanout.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

virtio::DeviceModel make_model(std::size_t scanouts) {
    const Config config{.events_read = 0,
                        .events_clear = 0,
                        .num_scanouts = static_cast<std::uint32_t>(scanouts),
                        .num_capsets = 0};
    const auto bytes = std::as_bytes(std::span(&config, 1));
    return {.device_id = device_id,
            .features = {f_edid, f_resource_uuid, f_resource_blob},
            .queue_sizes = {control_queue_size, cursor_queue_size},
            .config = {bytes.begin(), bytes.end()},
            .writable_config = {
                {.offset = offsetof(Config, events_clear), .size = sizeof(Config::events_clear)}}};
}

Scanouts make_scanouts(std::vector<std::unique_ptr<Screen>> screens, MemoryBudget& budget) {
    Scanouts scanouts;
    for (auto& screen : screens) {
        scanouts.push_back(std::make_unique<Scanout>(std::move(screen), budget));
    }
    return scanouts;
}

std::string name_of(const Scanouts& scanouts) {
    std::string name;
    for (const auto& scanout : scanouts) {
        if (const auto connector = scanout->facts().connector; !connector.empty()) {
            name += name.empty() ? connector : ", " + connector;
        }
    }
    return name.empty() ? "headless" : name;
}

} // namespace

struct GpuDevice::Impl {
    Impl(GpuDevice& its_device, std::vector<std::unique_ptr<Screen>> screens, const GpuLimits& limits)
        : device(its_device),
          resources(limits.resources, limits.memory),
          scanouts(make_scanouts(std::move(screens), resources.budget())),
          commands({.memory = *device.context().memory,
                    .resources = resources,
                    .scanouts = scanouts,
                    .screen_failed = [this](const Error& error) { device.warn("{}", error.message); }}) {}

    void listen() {
        for (const auto& scanout : scanouts) {
            auto& one = *scanout;
            auto shown = [this, &one] {
                device.turn([&] {
                    one.note_frames();
                    settle();
                });
            };
            auto changed = [this, &one] {
                device.turn([&] {
                    one.note();
                    tell_change();
                });
            };
            one.screen().listen({.shown = std::move(shown), .changed = std::move(changed)});
        }
    }
    /// Answer all whose frames are to be seen.
    void settle() {
        replies.settle([this](const FrameWait& wait) {
            return scanouts.at(wait.scanout.index())->is_shown(wait.frame);
        });
    }
    void tell_change() {
        events |= event_display;
        device.update_config(offsetof(Config, events_read), std::as_bytes(std::span(&events, 1)));
    }
    void clear_events(std::uint32_t bits) {
        events &= ~bits;
        // The driver that asked for it need not hear of it: it would look, clear
        // what is clear already, and hear of that.
        const std::array<std::uint32_t, 2> fields{events, 0};
        static_assert(offsetof(Config, events_read) == 0 && offsetof(Config, events_clear) == 4);
        device.put_config(offsetof(Config, events_read), std::as_bytes(std::span(fields)));
    }

    void close_screens() {
        if (!std::exchange(is_closed, true)) {
            for (const auto& scanout : scanouts) {
                scanout->screen().close();
            }
        }
    }

    GpuDevice& device;
    ResourceTable resources; ///< outlives the scanouts
    Scanouts scanouts;
    Commands commands;
    FenceQueue replies;       ///< of the control queue
    std::uint32_t events = 0; ///< events_read
    bool is_closed = false;   ///< the screens are
    std::string name;
};

GpuDevice::GpuDevice(virtio::DeviceContext context, std::vector<std::unique_ptr<Screen>> screens,
                     const GpuLimits& limits)
    : Device(std::move(context), make_model(screens.size())),
      impl_(std::make_unique<Impl>(*this, std::move(screens), limits)) {
    owner().call([this] {
        impl_->listen();
        impl_->name = name_of(impl_->scanouts);
    });
}

GpuDevice::~GpuDevice() = default;

void GpuDevice::do_activate() {
    // What changed before is what the driver finds when it asks.
    impl_->clear_events(event_display);
}

void GpuDevice::do_resume() {
    // The screens are this process's.
    const auto count = static_cast<std::uint32_t>(impl_->scanouts.size());
    put_config(offsetof(Config, num_scanouts), std::as_bytes(std::span(&count, 1)));
    require_reset("another process has kept the driver's pictures, and they are gone with it");
}

void GpuDevice::do_kick(std::size_t queue) {
    serve(queue);
    for (const auto& scanout : impl_->scanouts) {
        scanout->catch_up();
    }
    impl_->settle();
}

void GpuDevice::do_request(std::size_t queue, virtio::Chain chain) {
    auto reader = chain.reader();
    const auto room = chain.writer().remaining();
    // virtio 1.2, 5.7.6.7: each command begins with a header.
    const auto header = reader.read<Header>();
    const auto request = header.value_or(Header{});
    auto outcome = !header ? Outcome<Answer>(refuse(Response::err_invalid_parameter, "it has no header"))
                   : queue == control_queue ? impl_->commands.run_control(request.type, reader, negotiated())
                                            : impl_->commands.run_cursor(request.type, reader);
    if (!outcome) {
        count_error(queue);
        warn("{} refused: {}", command_name(request.type), outcome.error().why);
        outcome = Answer{.type = outcome.error().response};
    } else if (queue == control_queue && room < sizeof(Header)) {
        count_error(queue);
        warn("{} has no room for its answer", command_name(request.type));
    }
    count_bytes(queue, outcome->bytes);
    Reply reply(std::move(chain), request, std::move(*outcome));
    if (queue == cursor_queue) {
        reply.send();
        return;
    }
    impl_->replies.add(std::move(reply));
    impl_->settle();
}

void GpuDevice::do_stop_queue(std::size_t queue) {
    if (queue == control_queue) {
        impl_->replies.clear();
    }
}

void GpuDevice::do_reset() {
    impl_->commands.forget_all();
    impl_->clear_events(event_display);
}

void GpuDevice::do_config_written(std::size_t offset, std::span<const std::byte> bytes) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto place = offset - offsetof(Config, events_clear) + i;
        bits |= std::to_integer<std::uint32_t>(bytes[i]) << (8 * place);
    }
    impl_->clear_events(bits);
}

void GpuDevice::do_quiesce() {
    impl_->commands.forget_all();
}

void GpuDevice::disconnect() {
    owner().call([this] { impl_->close_screens(); });
}

void GpuDevice::do_close() {
    impl_->close_screens();
}

std::vector<ScanoutState> GpuDevice::scanouts() {
    std::vector<ScanoutState> states;
    for (const auto& scanout : impl_->scanouts) {
        states.push_back(scanout->state());
    }
    return states;
}

Result<Screenshot> GpuDevice::take_screenshot(std::size_t scanout, bool with_cursor) {
    if (scanout >= impl_->scanouts.size()) {
        return fail(ErrorCode::no_such_device, "{} has no display {}", context().id, scanout);
    }
    Result<Screenshot> shot;
    owner().call([&] { shot = impl_->scanouts[scanout]->take_screenshot(with_cursor); });
    return shot;
}

Result<void> GpuDevice::resize(std::size_t scanout, Size size) {
    if (scanout >= impl_->scanouts.size()) {
        return fail(ErrorCode::no_such_device, "{} has no display {}", context().id, scanout);
    }
    Result<void> resized;
    owner().call([&] {
        resized = impl_->is_closed ? fail(ErrorCode::wrong_state, "the zone has stopped")
                                   : impl_->scanouts[scanout]->screen().resize(size);
    });
    return resized;
}

std::uint64_t GpuDevice::memory_used() const {
    return impl_->resources.budget().used();
}

std::string GpuDevice::backend_name() const {
    return impl_->name;
}

} // namespace hvisor::devices::gpu
