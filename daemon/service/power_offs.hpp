// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_state.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hvisor::service {

/// The zones that were asked to power themselves off, and what is done when
/// they have, or their time is over. Main loop only.
class PowerOffs {
  public:
    using Clock = std::chrono::steady_clock;
    /// Gets whether the zone has gone.
    using Then = std::move_only_function<void(bool has_gone)>;
    using Task = std::move_only_function<void()>;

    void await(std::string zone, Clock::time_point deadline, Then then);

    /// Look at the zones as they are now.
    void update(const std::vector<zone::ZoneState>& zones, Clock::time_point now = Clock::now());

    /// Run `task` when none of those that are awaited now is any more; at once when none is.
    void behind(Task task);

    /// Wait for none of them any longer.
    void give_up();

  private:
    struct Entry {
        std::uint64_t number;
        std::string zone;
        Clock::time_point deadline;
        Then then;
    };

    struct Behind {
        std::uint64_t number; ///< of the last entry that it waits for
        Task task;
    };

    void run_behind();

    std::uint64_t last_number_ = 0;
    std::vector<Entry> entries_;
    std::vector<Behind> behind_;
};

} // namespace hvisor::service
