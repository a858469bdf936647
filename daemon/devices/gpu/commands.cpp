// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/commands.hpp"

#include <format>

namespace hvisor::devices::gpu {
namespace {

/// The feature that a command belongs to; true for those of every device.
bool is_negotiated(Command command, virtio::FeatureSet negotiated) {
    switch (command) {
    case Command::get_edid:
        return negotiated.has(f_edid);
    case Command::resource_assign_uuid:
        return negotiated.has(f_resource_uuid);
    case Command::resource_create_blob:
    case Command::set_scanout_blob:
        return negotiated.has(f_resource_blob);
    case Command::ctx_create:
    case Command::ctx_destroy:
    case Command::ctx_attach_resource:
    case Command::ctx_detach_resource:
    case Command::resource_create_3d:
    case Command::transfer_to_host_3d:
    case Command::transfer_from_host_3d:
    case Command::submit_3d:
        return negotiated.has(f_virgl);
    default:
        return true;
    }
}

} // namespace

std::string command_name(std::uint32_t type) {
    switch (static_cast<Command>(type)) {
    case Command::get_display_info:
        return "GET_DISPLAY_INFO";
    case Command::resource_create_2d:
        return "RESOURCE_CREATE_2D";
    case Command::resource_unref:
        return "RESOURCE_UNREF";
    case Command::set_scanout:
        return "SET_SCANOUT";
    case Command::resource_flush:
        return "RESOURCE_FLUSH";
    case Command::transfer_to_host_2d:
        return "TRANSFER_TO_HOST_2D";
    case Command::resource_attach_backing:
        return "RESOURCE_ATTACH_BACKING";
    case Command::resource_detach_backing:
        return "RESOURCE_DETACH_BACKING";
    case Command::get_capset_info:
        return "GET_CAPSET_INFO";
    case Command::get_capset:
        return "GET_CAPSET";
    case Command::get_edid:
        return "GET_EDID";
    case Command::resource_assign_uuid:
        return "RESOURCE_ASSIGN_UUID";
    case Command::resource_create_blob:
        return "RESOURCE_CREATE_BLOB";
    case Command::set_scanout_blob:
        return "SET_SCANOUT_BLOB";
    case Command::ctx_create:
        return "CTX_CREATE";
    case Command::ctx_destroy:
        return "CTX_DESTROY";
    case Command::ctx_attach_resource:
        return "CTX_ATTACH_RESOURCE";
    case Command::ctx_detach_resource:
        return "CTX_DETACH_RESOURCE";
    case Command::resource_create_3d:
        return "RESOURCE_CREATE_3D";
    case Command::transfer_to_host_3d:
        return "TRANSFER_TO_HOST_3D";
    case Command::transfer_from_host_3d:
        return "TRANSFER_FROM_HOST_3D";
    case Command::submit_3d:
        return "SUBMIT_3D";
    case Command::update_cursor:
        return "UPDATE_CURSOR";
    case Command::move_cursor:
        return "MOVE_CURSOR";
    }
    return std::format("command {:#x}", type);
}

Outcome<Answer> Commands::run_control(const Header& header, virtio::Reader body,
                                      virtio::FeatureSet negotiated) {
    const auto command = static_cast<Command>(header.type);
    if (!is_negotiated(command, negotiated)) {
        return refuse(Response::err_unspec, "its feature was not negotiated");
    }
    switch (command) {
    case Command::get_display_info:
        return display_info();
    case Command::resource_create_2d:
        return create_2d(body, negotiated.has(f_virgl));
    case Command::resource_unref:
        return unref(body);
    case Command::set_scanout:
        return set_scanout(body);
    case Command::resource_flush:
        return flush(body);
    case Command::transfer_to_host_2d:
        return transfer_to_host(header, body);
    case Command::resource_attach_backing:
        return attach_backing(body);
    case Command::resource_detach_backing:
        return detach_backing(body);
    case Command::get_capset_info:
        return capset_info(body);
    case Command::get_capset:
        return capset(body);
    case Command::get_edid:
        return edid(body);
    case Command::resource_assign_uuid:
        return assign_uuid(body);
    case Command::resource_create_blob:
        return create_blob(body);
    case Command::set_scanout_blob:
        return set_scanout_blob(body);
    case Command::update_cursor:
    case Command::move_cursor:
        return refuse(Response::err_unspec, "it belongs in the cursor queue");
    default:
        return run_3d(header, body);
    }
}

Outcome<Answer> Commands::run_3d(const Header& header, virtio::Reader body) {
    switch (static_cast<Command>(header.type)) {
    case Command::ctx_create:
        return create_context(header, body);
    case Command::ctx_destroy:
        return destroy_context(header);
    case Command::ctx_attach_resource:
        return attach_to_context(header, body);
    case Command::ctx_detach_resource:
        return detach_from_context(header, body);
    case Command::resource_create_3d:
        return create_3d(body);
    case Command::transfer_to_host_3d:
        return transfer_3d(header, body, false);
    case Command::transfer_from_host_3d:
        return transfer_3d(header, body, true);
    case Command::submit_3d:
        return submit(header, body);
    default:
        return refuse(Response::err_unspec, "there is no such command");
    }
}

Outcome<Answer> Commands::run_cursor(std::uint32_t type, virtio::Reader body) {
    switch (static_cast<Command>(type)) {
    case Command::update_cursor:
        return update_cursor(body);
    case Command::move_cursor:
        return move_cursor(body);
    default:
        return refuse(Response::err_unspec, "the cursor queue is for cursors");
    }
}

void Commands::forget_all() {
    for (const auto& scanout : world_.scanouts) {
        scanout->hide();
        scanout->set_cursor(nullptr);
        scanout->move_cursor({});
    }
    world_.resources.clear();
    world_.contexts.clear();
}

} // namespace hvisor::devices::gpu
