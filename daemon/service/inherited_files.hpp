// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/fd_store.hpp"
#include "base/unique_fd.hpp"

#include <memory>

namespace hvisor::service {

/// What the service manager gave this process to begin with (sd_listen_fds(3)): its
/// socket, and the files that a process before this one had it keep.
struct InheritedFiles {
    UniqueFd socket;                ///< none: -1
    std::unique_ptr<FdStore> store; ///< with a service manager it keeps files for the next process

    /// Once a process; other threads come later.
    [[nodiscard]] static InheritedFiles take();
};

} // namespace hvisor::service
