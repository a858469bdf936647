// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <functional>
#include <string>

namespace hvisor::helper {

/// A program beside the daemon, with a sandbox of its own: hvisord connects to a
/// socket, and a process serves that connection.
struct Program {
    std::string name;    ///< "hvisor-vnc"
    std::string purpose; ///< for --help
    std::string unit;    ///< the socket unit that starts it: "hvisor-vnc.socket"
    std::string socket;  ///< where hvisord looks for it: "vnc-server"
    std::string group;   ///< a supplementary group that it keeps; "": none
    /// Serve a connection until hvisord goes; an exit status.
    std::function<int(UniqueFd)> serve;
};

/// The main function: options, then the connection of systemd's, or those to --listen,
/// each by a process of its own. Gives up all privileges first. Returns an exit status.
[[nodiscard]] int run(const Program& program, int argc, char** argv);

} // namespace hvisor::helper
