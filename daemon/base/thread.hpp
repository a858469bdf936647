// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace hvisor {

/// The policy of one thread.
struct ThreadOptions {
    std::string name;      ///< at most 15 bytes are shown by ps and top
    std::vector<int> cpus; ///< CPUs it may run on; empty: wherever the daemon may
    /// Called on the thread when an exception left its body. Without it the
    /// process ends, so that the service manager starts a fresh one: right for
    /// a thread whose silent end would leave guest CPUs waiting for ever.
    std::function<void()> on_crash;
};

/// Start a thread; every thread of the daemon comes from here. All signals but
/// those of its own faults are blocked in it, so that they reach the main loop.
[[nodiscard]] std::jthread spawn_thread(ThreadOptions options, std::function<void()> body);

} // namespace hvisor
