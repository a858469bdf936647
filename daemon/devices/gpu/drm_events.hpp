// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace hvisor::devices::gpu {

/// Hears when something is plugged into a card, or pulled out.
///
/// The kernel's own messages, not udev's: they only say that it is time to look,
/// so nothing that udev would add is needed, and a root zone may do without it.
class DrmEvents {
  public:
    [[nodiscard]] static Result<DrmEvents> open(std::string card);

    /// Readable when there is something for update().
    [[nodiscard]] int fd() const { return socket_.get(); }
    /// Whether something has happened to the card since the last call.
    [[nodiscard]] bool update();

  private:
    DrmEvents(UniqueFd socket, std::string card) : socket_(std::move(socket)), card_(std::move(card)) {}

    UniqueFd socket_;
    std::string card_;
};

/// Whether this message of the kernel (strings that end with a zero, KEY=VALUE
/// from the second on) is about `card`, "card0".
[[nodiscard]] bool concerns_card(std::string_view message, std::string_view card);

} // namespace hvisor::devices::gpu
