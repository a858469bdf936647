// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_state.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::service {

/// The devices whose back ends do not answer, for the journal and the status line.
/// A hanging disk is no reason to end the daemon, and with it every zone's devices,
/// so the watchdog hears nothing of it.
class Stalls {
  public:
    /// Take what devices are like now, and tell the journal of those that have
    /// stalled or recovered since. It does not wait for the journal.
    void update(const std::vector<zone::ZoneState>& zones);

    /// "; no answer: block-a003c00 of linux2", at most a few; "" when all answer.
    [[nodiscard]] std::string summary() const;

  private:
    using Device = std::pair<std::string, std::string>; ///< zone, device

    std::map<Device, std::string> stalled_; ///< with their back ends
};

} // namespace hvisor::service
