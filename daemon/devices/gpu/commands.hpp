// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/reply.hpp"
#include "devices/gpu/resource_table.hpp"
#include "devices/gpu/scanout.hpp"
#include "guest/guest_memory.hpp"
#include "virtio/chain.hpp"
#include "virtio/features.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hvisor::devices::gpu {

using Scanouts = std::vector<std::unique_ptr<Scanout>>;

/// "RESOURCE_FLUSH", or the number where no command is.
[[nodiscard]] std::string command_name(std::uint32_t type);

/// Judges the commands of a driver and carries them out. Each byte of a command
/// is copied once; one that is refused has changed nothing.
class Commands {
  public:
    struct World {
        const guest::GuestMemory& memory;
        ResourceTable& resources;
        Scanouts& scanouts;
        /// A screen failed for a reason that is not the driver's.
        std::function<void(const Error&)> screen_failed;
    };

    explicit Commands(World world) : world_(std::move(world)) {}

    /// `body` is what follows the header.
    [[nodiscard]] Outcome<Answer> run_control(std::uint32_t type, virtio::Reader body,
                                              virtio::FeatureSet negotiated);
    [[nodiscard]] Outcome<Answer> run_cursor(std::uint32_t type, virtio::Reader body);

    /// Nothing is shown any more, and nothing kept.
    void forget_all();

  private:
    // commands_resource.cpp
    [[nodiscard]] Outcome<Answer> create_2d(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> create_blob(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> unref(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> attach_backing(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> detach_backing(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> transfer_to_host(virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> assign_uuid(virtio::Reader body) const;
    void hide_all_of(const Resource& resource);

    // commands_scanout.cpp
    [[nodiscard]] Outcome<Answer> display_info();
    [[nodiscard]] Outcome<Answer> edid(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> set_scanout(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> set_scanout_blob(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> flush(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> show(Scanout& scanout, const View& view) const;
    [[nodiscard]] Outcome<Answer> update_cursor(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> move_cursor(virtio::Reader body);
    [[nodiscard]] Outcome<ScanoutId> find_scanout(std::uint32_t id) const;
    [[nodiscard]] Scanout& at(ScanoutId id) { return *world_.scanouts.at(id.index()); }

    World world_;
};

/// A structure from the front of a command.
template <class Body>
[[nodiscard]] Outcome<Body> take(virtio::Reader& from) {
    const auto body = from.read<Body>();
    if (!body) {
        return refuse(Response::err_invalid_parameter, "it is shorter than its structure");
    }
    return *body;
}

/// An answer with a structure behind its header.
template <class Body>
[[nodiscard]] Answer answer_with(Response type, const Body& body) {
    const auto bytes = std::as_bytes(std::span(&body, 1));
    return {.type = type, .body = {bytes.begin(), bytes.end()}};
}

} // namespace hvisor::devices::gpu
