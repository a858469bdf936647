// SPDX-License-Identifier: Apache-2.0
// What commands do with resources that the renderer keeps.
#include "devices/gpu/commands.hpp"

#include <utility>

namespace hvisor::devices::gpu {

Outcome<Answer> Commands::create_drawn(std::uint32_t id, const render::Shape& shape) {
    const auto fresh = world_.resources.fresh_id(id);
    if (!fresh) {
        return std::unexpected(fresh.error());
    }
    auto made = Resource::make_drawn(*fresh, shape, world_.resources.budget());
    if (!made) {
        return std::unexpected(made.error());
    }
    world_.resources.add(std::move(*made));
    const auto ticket =
        world_.renderer->ask(render::CreateResource{.order = {}, .resource = fresh->value(), .shape = shape});
    return Answer{.render = RenderWait{.ticket = ticket}};
}

Answer Commands::destroy_drawn(Resource& resource) const {
    // A screen or an order may still have it; its backing is the guest's again.
    if (resource.has_backing()) {
        [[maybe_unused]] const auto detached = resource.detach();
    }
    const auto ticket =
        world_.renderer->ask(render::DestroyResource{.order = {}, .resource = resource.id().value()});
    return {.render = RenderWait{.ticket = ticket}};
}

Outcome<Answer> Commands::attach_drawn(Resource& resource, Backing backing) const {
    const auto size = backing.size();
    const auto file = resource.drawn()->make_shadow(size);
    if (!file) {
        return std::unexpected(file.error());
    }
    if (const auto attached = resource.attach(std::move(backing)); !attached) {
        return std::unexpected(attached.error());
    }
    const auto ticket = world_.renderer->ask(
        render::SetMemory{
            .order = {}, .resource = resource.id().value(), .memory = render::Memory::backing, .size = size},
        false, {}, file->get());
    return Answer{.render = RenderWait{.ticket = ticket}};
}

Answer Commands::detach_drawn(const Resource& resource) const {
    const auto ticket = world_.renderer->ask(render::ClearMemory{
        .order = {}, .resource = resource.id().value(), .memory = render::Memory::backing});
    return {.render = RenderWait{.ticket = ticket}};
}

Outcome<Answer> Commands::transfer_drawn(const Header& header, const std::shared_ptr<Resource>& resource,
                                         const TransferHost3d& transfer, bool is_from_resource) const {
    const auto& backing = resource->backing();
    if (!backing) {
        return refuse(Response::err_unspec, "the resource has no backing");
    }
    auto& drawn = *resource->drawn();
    const auto pieces = transfer_pieces(drawn.shape(), transfer, backing->size());
    if (!pieces) {
        return std::unexpected(pieces.error());
    }
    if (pieces->empty()) {
        return Answer{};
    }
    if (!is_from_resource) {
        drawn.upload(*backing, *pieces);
    }
    const render::Transfer order{.order = {},
                                 .context = header.ctx_id,
                                 .resource = resource->id().value(),
                                 .memory = render::Memory::backing,
                                 .is_from_resource = is_from_resource ? 1U : 0U,
                                 .level = transfer.level,
                                 .stride = transfer.stride,
                                 .layer_stride = transfer.layer_stride,
                                 .padding = 0,
                                 .box = {.x = transfer.box.x,
                                         .y = transfer.box.y,
                                         .z = transfer.box.z,
                                         .width = transfer.box.width,
                                         .height = transfer.box.height,
                                         .depth = transfer.box.depth},
                                 .offset = transfer.offset};
    RenderWait wait{.ticket = world_.renderer->ask(order, (header.flags & flag_fence) != 0)};
    if (is_from_resource) {
        wait.step = Download{.resource = resource, .pieces = *pieces};
    }
    return Answer{.bytes = is_from_resource ? 0 : pieces->bytes(), .render = std::move(wait)};
}

Outcome<void> Commands::make_picture(Resource& resource) const {
    if (resource.drawn()->has_picture()) {
        return {};
    }
    const auto size = resource.image()->end();
    const auto file = resource.drawn()->make_picture(size);
    if (!file) {
        return std::unexpected(file.error());
    }
    world_.renderer->tell(
        render::SetMemory{
            .order = {}, .resource = resource.id().value(), .memory = render::Memory::picture, .size = size},
        file->get());
    return {};
}

Answer Commands::read_picture(const std::shared_ptr<Resource>& resource, const Rect& part,
                              RenderStep step) const {
    const auto& image = *resource->image();
    const render::Transfer order{
        .order = {},
        .context = 0,
        .resource = resource->id().value(),
        .memory = render::Memory::picture,
        .is_from_resource = 1,
        .level = 0,
        .stride = image.stride,
        .layer_stride = 0,
        .padding = 0,
        .box = {.x = part.x, .y = part.y, .z = 0, .width = part.width, .height = part.height, .depth = 1},
        .offset = std::uint64_t{image.stride} * part.y + bytes_per_pixel * part.x};
    return {.render = RenderWait{.ticket = world_.renderer->ask(order), .step = std::move(step)}};
}

} // namespace hvisor::devices::gpu
