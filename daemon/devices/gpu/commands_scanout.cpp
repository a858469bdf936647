// SPDX-License-Identifier: Apache-2.0
// The commands about what is to be seen.
#include "devices/gpu/commands.hpp"

#include "devices/gpu/cursor.hpp"
#include "devices/gpu/edid.hpp"
#include "devices/gpu/formats.hpp"

#include <algorithm>
#include <bit>

namespace hvisor::devices::gpu {
namespace {

CursorPosition position_of(const UpdateCursor& command) {
    return {.x = std::bit_cast<std::int32_t>(command.x), .y = std::bit_cast<std::int32_t>(command.y)};
}

} // namespace

Outcome<ScanoutId> Commands::find_scanout(std::uint32_t id) const {
    const auto found = ScanoutId::from_guest(id, world_.scanouts.size());
    if (!found) {
        return refuse(Response::err_invalid_scanout_id, "there is no such scanout");
    }
    return *found;
}

Outcome<Answer> Commands::display_info() {
    DisplayInfo info{};
    std::uint32_t x = 0;
    for (std::size_t i = 0; i < world_.scanouts.size(); ++i) {
        const auto facts = world_.scanouts[i]->facts();
        if (!facts.is_connected || facts.preferred.empty()) {
            continue;
        }
        // Side by side, in this order: where a driver puts them by default.
        info.pmodes.at(i) = {
            .r = {.x = x, .y = 0, .width = facts.preferred.width, .height = facts.preferred.height},
            .enabled = 1,
            .flags = 0};
        x += facts.preferred.width;
    }
    return answer_with(Response::ok_display_info, info);
}

Outcome<Answer> Commands::edid(virtio::Reader body) {
    const auto command = take<GetEdid>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = find_scanout(command->scanout);
    if (!id) {
        return std::unexpected(id.error());
    }
    const auto facts = at(*id).facts();
    EdidAnswer answer{};
    // One that does not fit is as good as none: its end belongs to it.
    const bool has_own = !facts.edid.empty() && facts.edid.size() <= answer.edid.size();
    const auto edid = has_own ? facts.edid : make_edid(facts);
    answer.size = static_cast<std::uint32_t>(edid.size());
    std::ranges::copy(edid, answer.edid.begin());
    return answer_with(Response::ok_edid, answer);
}

Outcome<Answer> Commands::set_scanout(virtio::Reader body) {
    const auto command = take<SetScanout>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = find_scanout(command->scanout_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    if (command->resource_id == 0) {
        at(*id).hide();
        return Answer{};
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    const auto& image = (*resource)->image();
    if (!image) {
        return refuse(Response::err_invalid_parameter, "it is no picture that a screen can show");
    }
    const auto part = rect_inside(command->r, image->size);
    if (!part || part->empty()) {
        return refuse(Response::err_invalid_parameter, "the rectangle is not in the resource");
    }
    if ((*resource)->is_drawn()) {
        if (const auto made = make_picture(**resource); !made) {
            return std::unexpected(made.error());
        }
    }
    return show(at(*id), View(*resource, *image, *part));
}

Outcome<Answer> Commands::set_scanout_blob(virtio::Reader body) {
    const auto command = take<SetScanoutBlob>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = find_scanout(command->scanout_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    if (command->resource_id == 0) {
        at(*id).hide();
        return Answer{};
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    if (!(*resource)->is_blob() || !(*resource)->is_readable()) {
        return refuse(Response::err_invalid_parameter, "it is no blob, or one without backing");
    }
    const auto format = format_from_guest(command->format);
    const Size size{.width = command->width, .height = command->height};
    if (!format || !is_possible(size)) {
        return refuse(Response::err_invalid_parameter, "there is no such format, or no such size");
    }
    const Framebuffer framebuffer{.format = *format,
                                  .size = size,
                                  .stride = command->strides.front(),
                                  .offset = command->offsets.front()};
    // Of numbers of 32 bits, and sides of 14: nothing wraps around in 64.
    if (framebuffer.stride < bytes_per_pixel * size.width || framebuffer.end() > (*resource)->size()) {
        return refuse(Response::err_invalid_parameter, "the rows are not in the blob");
    }
    const auto part = rect_inside(command->r, size);
    if (!part || part->empty()) {
        return refuse(Response::err_invalid_parameter, "the rectangle is not in the framebuffer");
    }
    return show(at(*id), View(*resource, framebuffer, *part));
}

Outcome<Answer> Commands::show(Scanout& scanout, const View& view) {
    auto shown = scanout.show(view);
    if (shown.screen_error) {
        screen_has_failed_ = true;
        world_.screen_failed(*shown.screen_error);
    }
    return shown.outcome.transform([] { return Answer{}; });
}

Outcome<Answer> Commands::flush(virtio::Reader body) {
    const auto command = take<ResourceFlush>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    if (const auto& image = (*resource)->image(); image && !rect_inside(command->r, image->size)) {
        return refuse(Response::err_invalid_parameter, "the rectangle is not in the resource");
    }
    if (!(*resource)->is_drawn()) {
        return show_part(**resource, command->r);
    }
    Rect outdated;
    for (const auto& scanout : world_.scanouts) {
        if (scanout->shows(**resource)) {
            outdated = outdated.unite(scanout->outdated(command->r));
        }
    }
    return outdated.empty()
               ? Answer{}
               : read_picture(*resource, outdated, ShowPart{.resource = *resource, .part = command->r});
}

Outcome<Answer> Commands::show_part(const Resource& resource, const GuestRect& part) {
    Answer answer;
    for (std::uint32_t i = 0; i < world_.scanouts.size(); ++i) {
        auto& scanout = *world_.scanouts[i];
        if (!scanout.shows(resource)) {
            continue;
        }
        if (const auto frame = scanout.flush(part)) {
            answer.frames.push_back(
                {.scanout = *ScanoutId::from_guest(i, world_.scanouts.size()), .frame = *frame});
        }
    }
    return answer;
}

Outcome<Answer> Commands::update_cursor(virtio::Reader body) {
    const auto command = take<UpdateCursor>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = find_scanout(command->scanout_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    if (command->resource_id == 0) {
        at(*id).move_cursor(position_of(*command));
        at(*id).set_cursor(nullptr);
        return Answer{};
    }
    const auto resource = world_.resources.find(command->resource_id);
    if (!resource) {
        return std::unexpected(resource.error());
    }
    if (command->hot_x >= Cursor::side || command->hot_y >= Cursor::side) {
        return refuse(Response::err_invalid_parameter, "the hot spot is not in the cursor");
    }
    if (!(*resource)->is_drawn()) {
        return put_cursor(*resource, *command);
    }
    // What is too large is refused before the renderer is asked for it.
    const auto& image = (*resource)->image();
    if (!image || image->size != Size{.width = Cursor::side, .height = Cursor::side}) {
        return refuse(Response::err_invalid_parameter, "a cursor has 64 x 64 pixels");
    }
    return make_picture(**resource).transform([&] {
        return read_picture(*resource, Rect::of(image->size),
                            ShowCursor{.resource = *resource, .command = *command});
    });
}

Outcome<Answer> Commands::put_cursor(const std::shared_ptr<Resource>& resource, const UpdateCursor& command) {
    const auto id = find_scanout(command.scanout_id);
    auto cursor = read_cursor(resource);
    if (!id || !cursor) {
        return std::unexpected(!id ? id.error() : cursor.error());
    }
    cursor->hot_x = command.hot_x;
    cursor->hot_y = command.hot_y;
    at(*id).move_cursor(position_of(command));
    at(*id).set_cursor(&*cursor);
    return Answer{};
}

Outcome<Answer> Commands::move_cursor(virtio::Reader body) {
    const auto command = take<UpdateCursor>(body);
    if (!command) {
        return std::unexpected(command.error());
    }
    const auto id = find_scanout(command->scanout_id);
    if (!id) {
        return std::unexpected(id.error());
    }
    at(*id).move_cursor(position_of(*command));
    return Answer{};
}

} // namespace hvisor::devices::gpu
