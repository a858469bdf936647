// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

namespace hvisor::virgl {

/// Draw for a GPU device of hvisord's, which is at the other end of the SOCK_SEQPACKET
/// socket, until hvisord goes. What is wrong is told to hvisord and written to standard
/// error. Returns an exit status.
[[nodiscard]] int serve_device(UniqueFd hvisord);

} // namespace hvisor::virgl
