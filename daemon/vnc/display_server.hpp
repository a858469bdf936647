// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

namespace hvisor::vnc {

/// Serve a display of hvisord's, which is at the other end of the SOCK_SEQPACKET
/// socket, until hvisord goes: listens, and makes a process for each viewer that
/// comes. What is wrong is told to hvisord and written to standard error. Returns an
/// exit status.
[[nodiscard]] int serve_display(UniqueFd hvisord);

} // namespace hvisor::vnc
