// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "devices/gpu/ids.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hvisor::devices::gpu {

/// A frame of a scanout that is to be seen before a command is answered.
struct FrameWait {
    ScanoutId scanout;
    std::uint64_t frame;
};

/// What a command led to.
struct Answer {
    Response type = Response::ok_nodata;
    std::vector<std::byte> body{};   ///< behind the header
    std::vector<FrameWait> frames{}; ///< to wait for
    std::uint64_t bytes = 0;         ///< of pixels that the command has moved
};

/// The answer to one command on its way back.
class Reply {
  public:
    Reply(virtio::Chain chain, const Header& request, Answer answer);

    /// virtio 1.2, 5.7.6.7: sent "only after command processing is complete".
    /// Linux's driver takes one fence for the end of all before it.
    [[nodiscard]] bool is_fenced() const { return (header_.flags & flag_fence) != 0; }
    [[nodiscard]] const std::vector<FrameWait>& frames() const { return frames_; }
    /// Write what fits and give the chain back.
    void send();

  private:
    virtio::Chain chain_;
    Header header_{};
    std::vector<std::byte> body_;
    std::vector<FrameWait> frames_;
};

} // namespace hvisor::devices::gpu
