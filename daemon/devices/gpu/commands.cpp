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
    case Command::update_cursor:
        return "UPDATE_CURSOR";
    case Command::move_cursor:
        return "MOVE_CURSOR";
    }
    return std::format("command {:#x}", type);
}

Outcome<Answer> Commands::run_control(std::uint32_t type, virtio::Reader body,
                                      virtio::FeatureSet negotiated) {
    const auto command = static_cast<Command>(type);
    if (!is_negotiated(command, negotiated)) {
        return refuse(Response::err_unspec, "its feature was not negotiated");
    }
    switch (command) {
    case Command::get_display_info:
        return display_info();
    case Command::resource_create_2d:
        return create_2d(body);
    case Command::resource_unref:
        return unref(body);
    case Command::set_scanout:
        return set_scanout(body);
    case Command::resource_flush:
        return flush(body);
    case Command::transfer_to_host_2d:
        return transfer_to_host(body);
    case Command::resource_attach_backing:
        return attach_backing(body);
    case Command::resource_detach_backing:
        return detach_backing(body);
    case Command::get_capset_info:
    case Command::get_capset:
        // virtio 1.2, 5.7.4: num_capsets is 0, so that every index is beyond its end.
        return refuse(Response::err_invalid_parameter, "the device has no capability sets");
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
    }
    return refuse(Response::err_unspec, "there is no such command, or it is one of three dimensions");
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
        scanout->set_cursor(std::nullopt);
        scanout->move_cursor({});
    }
    world_.resources.clear();
}

} // namespace hvisor::devices::gpu
