// SPDX-License-Identifier: Apache-2.0
// The commands of three dimensions: each is judged here, and carried out by the renderer.
#include "devices/gpu/commands.hpp"

#include "devices/gpu/memory_file.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace hvisor::devices::gpu {
namespace {

Refusal refusal_of(int error) {
    return {.response = error == ENOMEM   ? Response::err_out_of_memory
                        : error == EINVAL ? Response::err_invalid_parameter
                                          : Response::err_unspec,
            .why = "the renderer refused it"};
}

} // namespace

Outcome<Answer> Commands::capset_info(virtio::Reader body) const {
    const auto command = take<GetCapsetInfo>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    // virtio 1.2, 5.7.4: num_capsets is 0 without a renderer.
    if (world_.renderer == nullptr || command->capset_index >= world_.renderer->capsets().size()) {
        return refuse(Response::err_invalid_parameter, "the device has no such capability set");
    }
    const auto& capset = world_.renderer->capsets()[command->capset_index];
    return answer_with(Response::ok_capset_info,
                       CapsetInfo{.capset_id = capset.id,
                                  .capset_max_version = capset.version,
                                  .capset_max_size = static_cast<std::uint32_t>(capset.bytes.size()),
                                  .padding = 0});
}

Outcome<Answer> Commands::capset(virtio::Reader body) const {
    const auto command = take<GetCapset>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    if (world_.renderer != nullptr) {
        const auto& all = world_.renderer->capsets();
        const auto found = std::ranges::find(all, command->capset_id, &Capset::id);
        if (found != all.end() && command->capset_version <= found->version) {
            return Answer{.type = Response::ok_capset, .body = found->bytes};
        }
    }
    return refuse(Response::err_invalid_parameter, "the device has no such capability set");
}

Outcome<Answer> Commands::create_context(const Header& header, virtio::Reader body) {
    const auto command = take<CtxCreate>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = world_.contexts.add(header.ctx_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    // virtio 1.2, 5.7.6.8: nlen is the name's length, which is for debugging.
    const std::string_view name(command->debug_name.data(),
                                std::min<std::size_t>(command->nlen, command->debug_name.size()));
    const auto ticket = world_.renderer->ask(render::CreateContext{
        .order = {}, .context = id->value(), .name = text_of<decltype(render::CreateContext::name)>(name)});
    return Answer{.render = RenderWait{.ticket = ticket}};
}

Outcome<Answer> Commands::destroy_context(const Header& header) {
    const auto id = world_.contexts.find(header.ctx_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    world_.contexts.remove(*id);
    const auto ticket = world_.renderer->ask(render::DestroyContext{.order = {}, .context = id->value()});
    return Answer{.render = RenderWait{.ticket = ticket}};
}

/// Attach a resource to a context, or detach it, as the order says.
template <render::Message Order>
Outcome<Answer> Commands::order_of_context(const Header& header, virtio::Reader body) const {
    const auto command = take<ResourceOnly>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = world_.contexts.find(header.ctx_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    if (!(*resource)->is_drawn()) {
        return Answer{}; // a blob, of which the renderer knows nothing; Linux attaches all
    }
    const auto ticket = world_.renderer->ask(
        Order{.order = {}, .context = id->value(), .resource = (*resource)->id().value()});
    return Answer{.render = RenderWait{.ticket = ticket}};
}

Outcome<Answer> Commands::attach_to_context(const Header& header, virtio::Reader body) const {
    return order_of_context<render::AttachResource>(header, body);
}

Outcome<Answer> Commands::detach_from_context(const Header& header, virtio::Reader body) const {
    return order_of_context<render::DetachResource>(header, body);
}

Outcome<Answer> Commands::create_3d(virtio::Reader body) {
    const auto command = take<ResourceCreate3d>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    return create_drawn(command->resource_id, {.target = command->target,
                                               .format = command->format,
                                               .bind = command->bind,
                                               .width = command->width,
                                               .height = command->height,
                                               .depth = command->depth,
                                               .array_size = command->array_size,
                                               .last_level = command->last_level,
                                               .samples = command->nr_samples,
                                               .flags = command->flags});
}

Outcome<Answer> Commands::transfer_3d(const Header& header, virtio::Reader body,
                                      bool is_from_resource) const {
    const auto command = take<TransferHost3d>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    if (header.ctx_id != 0) {
        if (const auto id = world_.contexts.find(header.ctx_id); !id) {
            return std::unexpected(id.error());
        }
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    if (!(*resource)->is_drawn()) {
        return Answer{}; // there is nothing to do for a blob, whose bytes are the guest's
    }
    return transfer_drawn(header, *resource, *command, is_from_resource);
}

Outcome<Answer> Commands::submit(const Header& header, virtio::Reader body) const {
    const auto command = take<Submit3d>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = world_.contexts.find(header.ctx_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    constexpr std::uint32_t word = 4;
    if (command->size > body.remaining() || command->size > render::Submit::max_commands ||
        command->size % word != 0) {
        return refuse(Response::err_invalid_parameter,
                      "its size is not that of whole words that follow, or more than 1 MiB");
    }
    const render::Submit order{.order = {}, .context = id->value(), .size = command->size};
    const bool is_fenced = (header.flags & flag_fence) != 0;
    if (command->size <= render::Submit::max_inline) {
        std::vector<std::byte> bytes(command->size);
        body.read(bytes);
        const auto ticket = world_.renderer->ask(order, is_fenced, bytes);
        return Answer{.bytes = command->size, .render = RenderWait{.ticket = ticket}};
    }
    MemoryBudget::Share share(world_.resources.budget());
    if (!share.resize(command->size)) {
        return refuse(Response::err_out_of_memory, "it is larger than what is left of the device's memory");
    }
    const auto file = MemoryFile::make("hvisor-commands", command->size);
    if (!file) {
        return refuse(Response::err_out_of_memory, "the root zone has no memory for it");
    }
    body.read({file->mapping.data(), file->mapping.size()});
    const auto ticket = world_.renderer->ask(order, is_fenced, {}, file->file.get());
    return Answer{.bytes = command->size, .render = RenderWait{.ticket = ticket, .held = std::move(share)}};
}

Outcome<Answer> Commands::finish(const RenderStep& step, int error) {
    if (error != 0) {
        return std::unexpected(refusal_of(error));
    }
    if (const auto* download = std::get_if<Download>(&step)) {
        const auto& resource = *download->resource;
        // Nothing of what has lost its backing since: that memory is the guest's again.
        if (resource.backing()) {
            download->resource->drawn()->download(*resource.backing(), download->pieces);
        }
        return Answer{.bytes = download->pieces.bytes()};
    }
    if (const auto* show = std::get_if<ShowPart>(&step)) {
        return show_part(*show->resource, show->part);
    }
    if (const auto* cursor = std::get_if<ShowCursor>(&step)) {
        return put_cursor(cursor->resource, cursor->command);
    }
    return Answer{};
}

} // namespace hvisor::devices::gpu
