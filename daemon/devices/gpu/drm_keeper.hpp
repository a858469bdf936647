// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <functional>
#include <string>

namespace hvisor::devices::gpu {

/// A connector that is lent to a screen, as another process needs it.
struct DrmLent {
    std::string card;      ///< "card0"
    std::string connector; ///< "HDMI-A-1"
    int master = -1;       ///< of the card, without which nothing is lent
    int lease = -1;        ///< what is shown belongs to this file
};

/// The same, from a process before this one: the picture stays on the display as long
/// as both files are open.
struct DrmInherited {
    std::string card;
    std::string connector;
    UniqueFd master;
    UniqueFd lease;
};

/// Who keeps a screen's files for a process after this one. Called on the screen's
/// owner thread.
struct DrmKeeper {
    std::function<void(const DrmLent& lent)> keep; ///< in place of what was kept before
    /// Nothing is lent any more: nobody but this process has these files when it returns.
    std::function<void()> drop;
};

} // namespace hvisor::devices::gpu
