// SPDX-License-Identifier: Apache-2.0
// Commands that another process has carried out for the driver.
#include "devices/gpu/commands.hpp"

#include "devices/gpu/journal.hpp"
#include "guest/guest_span.hpp"

namespace hvisor::devices::gpu {

Outcome<void> Commands::restore(Command type, std::span<std::byte> body, virtio::FeatureSet negotiated) {
    const guest::GuestSpan bytes(body.data(), body.size());
    virtio::Reader reader(std::span(&bytes, 1));
    if (type == Command::resource_assign_uuid) {
        return restore_uuid(reader);
    }
    Header header{};
    header.type = std::to_underlying(type);
    screen_has_failed_ = false;
    const auto outcome = run_control(header, reader, negotiated);
    if (!outcome && !screen_has_failed_) {
        return std::unexpected(outcome.error());
    }
    if (type == Command::resource_attach_backing) {
        // What was transferred is there once more: the driver leaves a picture where it
        // is. What has lost its backing since, nobody has: it is black.
        const auto command = take<AttachBacking>(reader);
        const auto resource = world_.resources.find(command->resource_id);
        (*resource)->fetch();
    }
    return {};
}

Outcome<void> Commands::restore_uuid(virtio::Reader body) const {
    const auto assigned = take<AssignedUuid>(body);
    if (!assigned) {
        return std::unexpected(assigned.error());
    }
    return world_.resources.find(assigned->command.resource_id).transform([&](const auto& resource) {
        resource->set_uuid(assigned->answer.uuid);
    });
}

} // namespace hvisor::devices::gpu
