// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_state.hpp"

#include <chrono>
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

    void await(std::string zone, Clock::time_point deadline, Then then);

    /// Look at the zones as they are now.
    void update(const std::vector<zone::ZoneState>& zones, Clock::time_point now = Clock::now());

    /// Wait for none of them any longer.
    void give_up();

  private:
    struct Entry {
        std::string zone;
        Clock::time_point deadline;
        Then then;
    };

    std::vector<Entry> entries_;
};

} // namespace hvisor::service
