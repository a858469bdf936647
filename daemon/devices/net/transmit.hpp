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

/// Sends the frames of chains, one system call each. What is judged before, the
/// frame's beginning, is copied out once, and the copy is what the kernel gets;
/// so is the rest of a small frame. That of a large one goes straight from guest
/// memory.
class Transmitter {
  public:
    struct Result {
        bool is_blocked = false; ///< nothing happened; again when the descriptor is writable
        std::optional<Drop> drop;
        std::size_t bytes = 0; ///< of the frame, without its header
        Mac source{};
    };

    Transmitter();
    [[nodiscard]] Result send(int fd, const virtio::Chain& chain, const Offloads& negotiated);

  private:
    // Kept, so that no frame allocates:
    std::vector<std::byte> start_; ///< of the frame, or all of it
    std::vector<iovec> pieces_;
};

} // namespace hvisor::devices::net
