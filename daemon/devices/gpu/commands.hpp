// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/context_table.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/renderer.hpp"
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
        ContextTable& contexts;
        Renderer* renderer; ///< null: two dimensions are all there is
        /// A screen failed for a reason that is not the driver's.
        std::function<void(const Error&)> screen_failed;
    };

    explicit Commands(World world) : world_(std::move(world)) {}

    /// `body` is what follows the header.
    [[nodiscard]] Outcome<Answer> run_control(const Header& header, virtio::Reader body,
                                              virtio::FeatureSet negotiated);
    [[nodiscard]] Outcome<Answer> run_cursor(std::uint32_t type, virtio::Reader body);
    /// Carry out a command that another process has accepted and Journal has kept; an
    /// image is brought up to date. A screen that cannot show it is told, and is no refusal.
    [[nodiscard]] Outcome<void> restore(Command type, std::span<std::byte> body,
                                        virtio::FeatureSet negotiated);
    /// Do what is left of a command whose order the renderer has carried out; `error` is its errno.
    [[nodiscard]] Outcome<Answer> finish(const RenderStep& step, int error);

    /// Nothing is shown any more, and nothing kept.
    void forget_all();

  private:
    // commands.cpp
    [[nodiscard]] Outcome<Answer> run_3d(const Header& header, virtio::Reader body);

    // commands_resource.cpp
    [[nodiscard]] Outcome<Answer> create_2d(virtio::Reader body, bool is_3d);
    [[nodiscard]] Outcome<Answer> create_blob(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> unref(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> attach_backing(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> detach_backing(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> transfer_to_host(const Header& header, virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> assign_uuid(virtio::Reader body) const;
    void hide_all_of(const Resource& resource);

    // commands_scanout.cpp
    [[nodiscard]] Outcome<Answer> display_info();
    [[nodiscard]] Outcome<Answer> edid(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> set_scanout(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> show_part(const Resource& resource, const GuestRect& part);
    [[nodiscard]] Outcome<Answer> put_cursor(const std::shared_ptr<Resource>& resource,
                                             const UpdateCursor& command);
    [[nodiscard]] Outcome<Answer> set_scanout_blob(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> flush(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> show(Scanout& scanout, const View& view);
    [[nodiscard]] Outcome<Answer> update_cursor(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> move_cursor(virtio::Reader body);
    [[nodiscard]] Outcome<ScanoutId> find_scanout(std::uint32_t id) const;

    // commands_restore.cpp
    [[nodiscard]] Outcome<void> restore_uuid(virtio::Reader body) const;

    // commands_3d.cpp
    [[nodiscard]] Outcome<Answer> capset_info(virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> capset(virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> create_context(const Header& header, virtio::Reader body);
    [[nodiscard]] Outcome<Answer> destroy_context(const Header& header);
    template <render::Message Order>
    [[nodiscard]] Outcome<Answer> order_of_context(const Header& header, virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> attach_to_context(const Header& header, virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> detach_from_context(const Header& header, virtio::Reader body) const;
    [[nodiscard]] Outcome<Answer> create_3d(virtio::Reader body);
    [[nodiscard]] Outcome<Answer> transfer_3d(const Header& header, virtio::Reader body,
                                              bool is_from_resource) const;
    [[nodiscard]] Outcome<Answer> submit(const Header& header, virtio::Reader body) const;

    // drawn_resources.cpp
    [[nodiscard]] Outcome<Answer> create_drawn(std::uint32_t id, const render::Shape& shape);
    [[nodiscard]] Answer destroy_drawn(Resource& resource) const;
    [[nodiscard]] Outcome<Answer> attach_drawn(Resource& resource, Backing backing) const;
    [[nodiscard]] Answer detach_drawn(const Resource& resource) const;
    [[nodiscard]] Outcome<Answer> transfer_drawn(const Header& header,
                                                 const std::shared_ptr<Resource>& resource,
                                                 const TransferHost3d& transfer, bool is_from_resource) const;
    /// Before anybody looks at it; once.
    [[nodiscard]] Outcome<void> make_picture(Resource& resource) const;
    [[nodiscard]] Answer read_picture(const std::shared_ptr<Resource>& resource, const Rect& part,
                                      RenderStep step) const;

    [[nodiscard]] Scanout& at(ScanoutId id) { return *world_.scanouts.at(id.index()); }

    World world_;
    bool screen_has_failed_ = false; ///< since restore() began
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
