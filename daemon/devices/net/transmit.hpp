// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/net/config.hpp"
#include "devices/net/frame_check.hpp"
#include "devices/net/offloads.hpp"
#include "virtio/chain.hpp"

#include <cstddef>
#include <optional>
#include <sys/uio.h>
#include <vector>

namespace hvisor::devices::net {

/// Sends the frames of chains, one system call each, straight from guest
/// memory. What is judged before, the frame's beginning, is copied out once,
/// and the copy is what the kernel gets.
class Transmitter {
  public:
    struct Result {
        bool is_blocked = false; ///< nothing happened; again when the descriptor is writable
        std::optional<Drop> drop;
        std::size_t bytes = 0; ///< of the frame, without its header
        Mac source{};
    };

    [[nodiscard]] Result send(int fd, const virtio::Chain& chain, const Offloads& negotiated);

  private:
    FrameStart start_{};
    std::vector<iovec> pieces_; ///< kept, so that no frame allocates
};

} // namespace hvisor::devices::net
