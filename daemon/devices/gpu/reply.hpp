// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/ids.hpp"
#include "devices/gpu/memory_budget.hpp"
#include "devices/gpu/renderer.hpp"
#include "devices/gpu/resource.hpp"
#include "devices/gpu/texture.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace hvisor::devices::gpu {

/// A frame of a scanout that is to be seen before a command is answered.
struct FrameWait {
    ScanoutId scanout;
    std::uint64_t frame;
};

/// What is left to do once the renderer has carried out its part of a command.
struct Download { ///< to the guest's memory
    std::shared_ptr<Resource> resource;
    Pieces pieces;
};
struct ShowPart { ///< that a driver says has changed
    std::shared_ptr<Resource> resource;
    GuestRect part;
};
struct ShowCursor {
    std::shared_ptr<Resource> resource;
    UpdateCursor command;
};
using RenderStep = std::variant<std::monostate, Download, ShowPart, ShowCursor>;

/// An order to the renderer that a command waits for.
struct RenderWait {
    Ticket ticket;
    RenderStep step{};
    std::optional<MemoryBudget::Share> held{}; ///< what was lent to it for this
};

/// What a command led to.
struct Answer {
    Response type = Response::ok_nodata;
    std::vector<std::byte> body{};   ///< behind the header
    std::vector<FrameWait> frames{}; ///< to wait for
    std::uint64_t bytes = 0;         ///< of pixels that the command has moved
    std::optional<RenderWait> render{};
};

/// The answer to one command on its way back.
class Reply {
  public:
    Reply(virtio::Chain chain, const Header& request, Answer answer);

    /// virtio 1.2, 5.7.6.7: sent "only after command processing is complete".
    /// Linux's driver takes one fence for the end of all before it.
    [[nodiscard]] bool is_fenced() const { return (header_.flags & flag_fence) != 0; }
    [[nodiscard]] const std::vector<FrameWait>& frames() const { return frames_; }
    /// The type of the command.
    [[nodiscard]] std::uint32_t command() const { return command_; }
    /// The order that it waits for, if any.
    [[nodiscard]] const std::optional<RenderWait>& render() const { return render_; }
    [[nodiscard]] RenderStep take_step() { return std::move(render_->step); }
    /// The renderer is done, and this is what came of the command; nothing in it waits
    /// for the renderer again.
    void resolve(Answer answer);
    /// Write what fits and give the chain back.
    void send();

  private:
    virtio::Chain chain_;
    std::uint32_t command_;
    Header header_{};
    std::vector<std::byte> body_;
    std::vector<FrameWait> frames_;
    std::optional<RenderWait> render_;
};

} // namespace hvisor::devices::gpu
