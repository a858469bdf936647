// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/device.hpp"

#include "devices/gpu/commands.hpp"
#include "devices/gpu/config.hpp"
#include "devices/gpu/fence_queue.hpp"
#include "devices/gpu/journal.hpp"
#include "devices/gpu/kept_commands.hpp"
#include "devices/gpu/kept_scanout.hpp"
#include "devices/gpu/resource_table.hpp"
#include "devices/gpu/scanout.hpp"
#include "devices/gpu/state.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <format>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

// And some bytes between the two.
static_assert(sizeof(virtio::DeviceRecord) + 64 + sizeof(GpuState) <= GpuDevice::memory_size);

std::uint32_t count_capsets(const Renderer* renderer) {
    return renderer != nullptr ? static_cast<std::uint32_t>(renderer->capsets().size()) : 0;
}

virtio::DeviceModel make_model(std::size_t scanouts, const Renderer* renderer) {
    const Config config{.events_read = 0,
                        .events_clear = 0,
                        .num_scanouts = static_cast<std::uint32_t>(scanouts),
                        .num_capsets = count_capsets(renderer)};
    const auto bytes = std::as_bytes(std::span(&config, 1));
    return {
        .device_id = device_id,
        .features = virtio::FeatureSet{f_edid, f_resource_uuid, f_resource_blob} |
                    (renderer != nullptr ? virtio::FeatureSet{f_virgl} : virtio::FeatureSet{}),
        .queue_sizes = {control_queue_size, cursor_queue_size},
        .config = {bytes.begin(), bytes.end()},
        .writable_config = {{.offset = offsetof(Config, events_clear), .size = sizeof(Config::events_clear)}},
        .state_size = sizeof(GpuState),
        .memory_size = GpuDevice::memory_size};
}

Scanouts make_scanouts(std::vector<std::unique_ptr<Screen>> screens, MemoryBudget& budget, GpuState& state) {
    Scanouts scanouts;
    for (auto& screen : screens) {
        const auto number = scanouts.size();
        scanouts.push_back(std::make_unique<Scanout>(
            std::move(screen), budget, KeptScanout(state.scanouts.at(number), state.cursors.at(number))));
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
    Impl(GpuDevice& its_device, GpuState& state, std::vector<std::unique_ptr<Screen>> screens,
         const GpuLimits& limits, std::unique_ptr<Renderer> its_renderer)
        : device(its_device),
          renderer(std::move(its_renderer)),
          resources(limits.resources, limits.memory),
          contexts(limits.contexts),
          scanouts(make_scanouts(std::move(screens), resources.budget(), state)),
          commands({.memory = *device.context().memory,
                    .resources = resources,
                    .scanouts = scanouts,
                    .contexts = contexts,
                    .renderer = renderer.get(),
                    .screen_failed = [this](const Error& error) { device.warn("{}", error.message); }}),
          journal(state.journal, limits.journal),
          kept(commands, journal) {}

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
                    one.note_preferred();
                    tell_change();
                });
            };
            one.screen().listen({.shown = std::move(shown), .changed = std::move(changed)});
        }
        if (renderer) {
            renderer->listen(
                {.done = [this](Ticket ticket, int error) { device.turn([&] { finish(ticket, error); }); },
                 .lost =
                     [this](const std::string& why) {
                         // To a driver of two dimensions it is nothing.
                         if (device.negotiated(f_virgl)) {
                             device.turn([&] { device.require_reset(why); });
                         }
                     }});
        }
    }
    /// The renderer has carried out an order, or not: go on with the command that waits for it.
    void finish(Ticket ticket, int error) {
        const auto go_on = [&](std::size_t queue) {
            return [this, queue, error](std::uint32_t command, const RenderStep& step) {
                auto outcome = commands.finish(step, error);
                if (!outcome) {
                    device.note_refusal(queue, command, outcome.error());
                    return Answer{.type = outcome.error().response};
                }
                device.count_bytes(queue, outcome->bytes);
                return std::move(*outcome);
            };
        };
        // One that no command waits for any more is of a queue that was stopped since.
        if (replies.resolve(ticket, go_on(control_queue)) ||
            cursor_replies.resolve(ticket, go_on(cursor_queue))) {
            settle();
        }
    }
    /// Answer all whose frames are to be seen.
    void settle() {
        replies.settle([this](const FrameWait& wait) {
            return scanouts.at(wait.scanout.index())->is_shown(wait.frame);
        });
        cursor_replies.settle([](const FrameWait&) { return true; });
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

    void remove_remains() {
        for (const auto& scanout : scanouts) {
            scanout->remove_remains();
        }
    }

    void close_screens() {
        if (!std::exchange(is_closed, true)) {
            for (const auto& scanout : scanouts) {
                scanout->screen().close();
            }
        }
    }

    GpuDevice& device;
    std::unique_ptr<Renderer> renderer; ///< null: two dimensions
    ResourceTable resources;            ///< outlives the scanouts
    ContextTable contexts;
    Scanouts scanouts;
    Commands commands;
    Journal journal;
    KeptCommands kept;
    FenceQueue replies;        ///< of the control queue
    FenceQueue cursor_replies; ///< of the other one
    std::uint32_t events = 0;  ///< events_read
    bool is_closed = false;    ///< the screens are
    std::string name;
};

GpuDevice::GpuDevice(virtio::DeviceContext context, std::vector<std::unique_ptr<Screen>> screens,
                     const GpuLimits& limits, std::unique_ptr<Renderer> renderer)
    : Device(std::move(context), make_model(screens.size(), renderer.get())),
      impl_(std::make_unique<Impl>(*this, type_state<GpuState>(), std::move(screens), limits,
                                   std::move(renderer))) {
    owner().call([this] {
        impl_->listen();
        impl_->name = name_of(impl_->scanouts);
    });
}

GpuDevice::~GpuDevice() = default;

void GpuDevice::do_activate() {
    // Another process may have had no time to.
    impl_->kept.forget_all();
    impl_->remove_remains();
    // What changed before is what the driver finds when it asks.
    impl_->clear_events(event_display);
}

void GpuDevice::do_resume() {
    // The screens are this process's.
    const auto count = static_cast<std::uint32_t>(impl_->scanouts.size());
    put_config(offsetof(Config, num_scanouts), std::as_bytes(std::span(&count, 1)));
    const auto capsets = count_capsets(impl_->renderer.get());
    put_config(offsetof(Config, num_capsets), std::as_bytes(std::span(&capsets, 1)));
    std::array<std::byte, sizeof impl_->events> events{};
    read_config(offsetof(Config, events_read), events);
    impl_->events = std::bit_cast<std::uint32_t>(events);
    for (const auto& scanout : impl_->scanouts) {
        scanout->restore_preferred();
    }
    if (negotiated(f_virgl)) {
        require_reset("the renderer of another process had what the driver draws with, and it is gone");
        impl_->remove_remains();
        return;
    }
    if (const auto restored = impl_->kept.restore(negotiated(), queue_state(control_queue).indices.taken());
        !restored) {
        require_reset(restored.error()); // first, or a process that is killed now leaves an empty device
        impl_->kept.forget_all();
    }
    impl_->remove_remains();
    // A display may have come or gone while nobody looked.
    impl_->tell_change();
}

void GpuDevice::do_kick(std::size_t queue) {
    if (negotiated(f_virgl) && impl_->renderer->is_lost()) {
        require_reset("hvisor-gpu-render is not there, or cannot be started again");
        return;
    }
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
                   : queue == control_queue ? impl_->kept.run(request, reader, negotiated(), chain.order())
                                            : impl_->commands.run_cursor(request.type, reader);
    if (!outcome) {
        note_refusal(queue, request.type, outcome.error());
        outcome = Answer{.type = outcome.error().response};
    } else if (queue == control_queue && room < sizeof(Header)) {
        count_error(queue);
        warn("{} has no room for its answer", command_name(request.type));
    }
    count_bytes(queue, outcome->bytes);
    Reply reply(std::move(chain), request, std::move(*outcome));
    if (queue == cursor_queue && !reply.render()) {
        reply.send();
        return;
    }
    auto& replies = queue == cursor_queue ? impl_->cursor_replies : impl_->replies;
    replies.add(std::move(reply));
    impl_->settle();
}

void GpuDevice::note_refusal(std::size_t queue, std::uint32_t command, const Refusal& refusal) {
    count_error(queue);
    warn("{} refused: {}", command_name(command), refusal.why);
}

void GpuDevice::do_stop_queue(std::size_t queue) {
    (queue == cursor_queue ? impl_->cursor_replies : impl_->replies).clear();
}

void GpuDevice::do_reset() {
    impl_->kept.forget_all();
    if (impl_->renderer) {
        impl_->renderer->renew();
    }
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
    impl_->kept.forget_all();
    if (impl_->renderer) {
        impl_->renderer->close();
    }
}

void GpuDevice::disconnect() {
    owner().call([this] { impl_->close_screens(); });
}

void GpuDevice::do_close() {
    impl_->close_screens();
    if (impl_->renderer) {
        impl_->renderer->close();
    }
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

std::string GpuDevice::renderer_name() const {
    return impl_->renderer ? std::format("virgl ({})", impl_->renderer->name()) : std::string();
}

std::string GpuDevice::backend_name() const {
    return impl_->name;
}

} // namespace hvisor::devices::gpu
