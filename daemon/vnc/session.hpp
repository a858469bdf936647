// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "viewer/link.hpp"
#include "vnc/keyboard.hpp"

#include <string>

namespace hvisor::vnc {

/// What one viewer gets.
struct SessionSettings {
    std::string name;     ///< its title
    std::string password; ///< "": none is asked for
    const Keyboard& keyboard;
};

/// Serve one viewer, who is at the other end of `client`, until it or hvisord, at the
/// other end of `link`, has gone. One in a process: what waits for a slow viewer, or
/// breaks because of a malicious one, is its own.
void run_session(UniqueFd client, viewer::Link link, const SessionSettings& settings);

} // namespace hvisor::vnc
