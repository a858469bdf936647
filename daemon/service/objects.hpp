// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/manager_object.hpp"
#include "service/zone_tree.hpp"

#include <cstdint>
#include <vector>

namespace hvisor::service {

/// All objects of org.syswonder.hvisor1 on one connection: of a bus, or of a
/// program that is connected directly. Main loop only.
class Objects {
  public:
    /// Puts them there as they are now. Throws sdbus::Error.
    Objects(sdbus::IConnection& connection, zone::ZoneManager& zones, Actions& actions,
            std::uint64_t hypervisor_magic)
        : tree_(connection, zones, actions), manager_(connection, actions, tree_, zones, hypervisor_magic) {
        tree_.update(zones.zones());
    }

    /// Make them show these zones, with the signals for it.
    void update(const std::vector<zone::ZoneState>& zones) { tree_.update(zones); }

  private:
    ZoneTree tree_;
    ManagerObject manager_;
};

} // namespace hvisor::service
