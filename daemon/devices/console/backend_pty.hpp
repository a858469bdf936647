// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <string>

namespace hvisor::devices::console {

/// A pseudo-terminal for users of screen or minicom, in raw mode.
struct Pty {
    UniqueFd master; ///< non-blocking
    /// Kept open: without it the master reports a hang-up, for ever and all
    /// the time, whenever nobody has the terminal open.
    UniqueFd terminal;
    std::string path; ///< "/dev/pts/3"

    [[nodiscard]] static Result<Pty> open();
};

} // namespace hvisor::devices::console
