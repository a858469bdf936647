// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/fd_store.hpp"
#include "base/unique_fd.hpp"
#include "service/own_successor.hpp"

#include <memory>
#include <string>
#include <vector>

namespace hvisor::service {

/// What this process has to begin with (sd_listen_fds(3)): the service manager's socket,
/// and the files that a process before this one had kept.
struct InheritedFiles {
    UniqueFd socket;                         ///< none: -1
    std::unique_ptr<OwnSuccessor> successor; ///< null: the service manager keeps the files
    std::unique_ptr<FdStore> store;          ///< of the one who keeps them

    /// Once a process; other threads come later. `arguments` are this process's.
    [[nodiscard]] static InheritedFiles take(std::vector<std::string> arguments);
};

} // namespace hvisor::service
