// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <optional>
#include <string>
#include <sys/types.h>

namespace hvisor {

/// A Unix stream socket in the file system that root and the members of
/// control_group() can connect to. It is removed from its folder when it is closed.
class UnixListener {
  public:
    /// Takes the place of one that a program left behind, not of one that is in use.
    /// Errors begin with the path.
    [[nodiscard]] static Result<UnixListener> open(const std::string& path);

    UnixListener(const UnixListener&) = delete;
    UnixListener& operator=(const UnixListener&) = delete;
    UnixListener(UnixListener&& other) noexcept;
    UnixListener& operator=(UnixListener&& other) noexcept;
    ~UnixListener() { close(); }

    /// Non-blocking.
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    UnixListener(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    void close();

    UniqueFd fd_;
    std::string path_;
};

/// The group "hvisor", whose members may control zones; none where the system has no such group.
[[nodiscard]] std::optional<gid_t> control_group();

} // namespace hvisor
