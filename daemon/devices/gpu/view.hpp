// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/canvas.hpp"
#include "devices/gpu/resource.hpp"

#include <memory>
#include <optional>

namespace hvisor::devices::gpu {

/// A part of a framebuffer that lies in a resource, all of it within. Who has
/// a view keeps the resource.
class View {
  public:
    View(std::shared_ptr<const Resource> resource, const Framebuffer& framebuffer, const Rect& part)
        : resource_(std::move(resource)), framebuffer_(framebuffer), part_(part) {}

    [[nodiscard]] Size size() const { return part_.size(); }
    [[nodiscard]] const Framebuffer& framebuffer() const { return framebuffer_; }
    [[nodiscard]] bool is_of(const Resource& resource) const { return resource_.get() == &resource; }
    /// Of something that lies in the renderer, and has to be read before it is seen.
    [[nodiscard]] bool is_drawn() const { return resource_->is_drawn(); }
    [[nodiscard]] bool operator==(const View&) const = default;
    /// Where a part of the view, not empty, is in the framebuffer.
    [[nodiscard]] Rect in_framebuffer(const Rect& part) const {
        return {.x = part_.x + part.x, .y = part_.y + part.y, .width = part.width, .height = part.height};
    }

    /// What of a rectangle of the framebuffer is in the view, in the view's own places.
    [[nodiscard]] Rect find(const GuestRect& rect) const;

    /// Copy `part`, which fits size(), to the same place of `to`.
    void paint(const Rect& part, const Canvas& to) const;

  private:
    std::shared_ptr<const Resource> resource_;
    Framebuffer framebuffer_;
    Rect part_;
};

} // namespace hvisor::devices::gpu
