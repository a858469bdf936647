// SPDX-License-Identifier: Apache-2.0
// The commands that make, fill and end resources.
#include "devices/gpu/commands.hpp"

#include "devices/gpu/formats.hpp"

#include <utility>

namespace hvisor::devices::gpu {
namespace {

/// virtio 1.2, 5.7.6.8: USE_MAPPABLE, USE_SHAREABLE, USE_CROSS_DEVICE. What they
/// ask for a blob in guest memory has by itself.
constexpr std::uint32_t blob_flags = 7;

/// What the renderer makes of it: a texture of two dimensions that can be drawn to,
/// whose first row is the upper one (VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP).
render::Shape flat_shape(const ResourceCreate2d& command) {
    constexpr std::uint32_t texture_2d = 2;
    constexpr std::uint32_t bind_render_target = 2;
    constexpr std::uint32_t y_0_top = 1;
    return {.target = texture_2d,
            .format = command.format,
            .bind = bind_render_target,
            .width = command.width,
            .height = command.height,
            .depth = 1,
            .array_size = 1,
            .last_level = 0,
            .samples = 0,
            .flags = y_0_top};
}

} // namespace

Outcome<Answer> Commands::create_2d(virtio::Reader body, bool is_3d) {
    const auto command = take<ResourceCreate2d>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = world_.resources.fresh_id(command->resource_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    const auto format = format_from_guest(command->format);
    if (!format) {
        return refuse(Response::err_invalid_parameter, "there is no such format");
    }
    if (is_3d) {
        // Linux's driver attaches it to contexts, too: it is a texture like others.
        return create_drawn(command->resource_id, flat_shape(*command));
    }
    auto made = Resource::make_image(*id, *format, {.width = command->width, .height = command->height},
                                     world_.resources.budget());
    if (!made) {
        return std::unexpected(made.error());
    }
    world_.resources.add(std::move(*made));
    return Answer{};
}

Outcome<Answer> Commands::create_blob(virtio::Reader body) {
    const auto command = take<ResourceCreateBlob>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = world_.resources.fresh_id(command->resource_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    // The others are memory of the host, for three dimensions.
    if (command->blob_mem != std::to_underlying(BlobMemory::guest)) {
        return refuse(Response::err_invalid_parameter, "a blob lies in guest memory here");
    }
    if ((command->blob_flags & ~blob_flags) != 0 || command->size == 0) {
        return refuse(Response::err_invalid_parameter, "it has flags that there are not, or no size");
    }
    auto backing = Backing::from_guest(body, command->nr_entries, world_.memory, world_.resources.budget());
    if (!backing) {
        return std::unexpected(backing.error());
    }
    if (backing->size() < command->size) {
        return refuse(Response::err_invalid_parameter, "its entries are shorter than the blob");
    }
    world_.resources.add(
        Resource::make_blob(*id, command->size, std::move(*backing), world_.resources.budget()));
    return Answer{};
}

Outcome<Answer> Commands::unref(virtio::Reader body) {
    const auto command = take<ResourceOnly>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    hide_all_of(**resource);
    world_.resources.remove((*resource)->id());
    return (*resource)->is_drawn() ? destroy_drawn(**resource) : Answer{};
}

void Commands::hide_all_of(const Resource& resource) {
    for (const auto& scanout : world_.scanouts) {
        if (scanout->shows(resource)) {
            scanout->hide();
        }
    }
}

Outcome<Answer> Commands::attach_backing(virtio::Reader body) {
    const auto command = take<AttachBacking>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    if ((*resource)->has_backing()) {
        return refuse(Response::err_unspec, "the resource has a backing already");
    }
    auto backing = Backing::from_guest(body, command->nr_entries, world_.memory, world_.resources.budget());
    if (!backing) {
        return std::unexpected(backing.error());
    }
    if ((*resource)->is_drawn()) {
        return attach_drawn(**resource, std::move(*backing));
    }
    return (*resource)->attach(std::move(*backing)).transform([] { return Answer{}; });
}

Outcome<Answer> Commands::detach_backing(virtio::Reader body) {
    const auto command = take<ResourceOnly>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    // An image stays to be seen as it was transferred; a blob is its backing.
    if ((*resource)->is_blob()) {
        hide_all_of(**resource);
    }
    return (*resource)->detach().transform(
        [&] { return (*resource)->is_drawn() ? detach_drawn(**resource) : Answer{}; });
}

Outcome<Answer> Commands::transfer_to_host(const Header& header, virtio::Reader body) const {
    const auto command = take<TransferToHost2d>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    const auto& image = (*resource)->image();
    if (!image) {
        // There is nothing to do, and Linux's driver does send it for a blob that
        // is a cursor or a picture (QEMU answers so, too).
        return Answer{};
    }
    const auto part = rect_inside(command->r, image->size);
    if (!part) {
        return refuse(Response::err_invalid_parameter, "the rectangle is not in the resource");
    }
    if ((*resource)->is_drawn()) {
        // No context is meant, whatever the header says.
        auto of_none = header;
        of_none.ctx_id = 0;
        return transfer_drawn(of_none, *resource,
                              {.box = {.x = part->x,
                                       .y = part->y,
                                       .z = 0,
                                       .width = part->width,
                                       .height = part->height,
                                       .depth = 1},
                               .offset = command->offset,
                               .resource_id = command->resource_id,
                               .level = 0,
                               .stride = 0,
                               .layer_stride = 0},
                              false);
    }
    const auto bytes = (*resource)->transfer(*part, command->offset);
    if (!bytes) {
        return std::unexpected(bytes.error());
    }
    return Answer{.bytes = *bytes};
}

Outcome<Answer> Commands::assign_uuid(virtio::Reader body) const {
    const auto command = take<ResourceOnly>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    const auto uuid = (*resource)->uuid();
    if (!uuid) {
        return refuse(Response::err_unspec, "the root zone has no random numbers yet");
    }
    return answer_with(Response::ok_resource_uuid, ResourceUuid{.uuid = *uuid});
}

} // namespace hvisor::devices::gpu
