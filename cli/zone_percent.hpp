// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "client.hpp"
#include "progress.hpp"

namespace hvisor::cli {

/// How far the daemon is with the zone that it is starting; it starts one at a
/// time. By a connection of its own: the other one waits for the reply.
[[nodiscard]] Progress::Percent percent_of_start(const Client& client);

} // namespace hvisor::cli
