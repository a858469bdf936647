// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <optional>
#include <string>
#include <sys/types.h>

namespace hvisor::service {

/// A Unix stream socket that others can connect to. One that was made here is
/// removed from its folder when it is closed.
class ListeningSocket {
  public:
    /// The socket that the service manager passed (sd_listen_fds(3)), or else a
    /// new one at `path`, for root and the group hvisor; none where there is neither.
    [[nodiscard]] static Result<std::optional<ListeningSocket>> open(const std::string& path);

    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ListeningSocket(ListeningSocket&& other) noexcept;
    ListeningSocket& operator=(ListeningSocket&&) = delete;
    ~ListeningSocket();

    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    ListeningSocket(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    static Result<std::optional<ListeningSocket>> passed(int fd);
    static Result<std::optional<ListeningSocket>> made(const std::string& path);

    UniqueFd fd_;
    std::string path_; ///< empty when the service manager made it
};

/// The group whose members may control zones; none where the system has no such group.
[[nodiscard]] std::optional<gid_t> control_group();

} // namespace hvisor::service
