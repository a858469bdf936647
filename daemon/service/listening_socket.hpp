// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "base/unix_listener.hpp"

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace hvisor::service {

/// The Unix stream socket that programs connect to in place of a message bus.
class ListeningSocket {
  public:
    /// The socket that the service manager passed, if any, or else a new one at `path`; none
    /// where there is neither.
    [[nodiscard]] static Result<std::optional<ListeningSocket>> open(const std::string& path,
                                                                     UniqueFd passed);

    [[nodiscard]] int fd() const;

  private:
    explicit ListeningSocket(std::variant<UniqueFd, UnixListener> socket) : socket_(std::move(socket)) {}

    static Result<ListeningSocket> check(UniqueFd fd);

    std::variant<UniqueFd, UnixListener> socket_; ///< the service manager's, or our own
};

} // namespace hvisor::service
