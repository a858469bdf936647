// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/job_tree.hpp"
#include "service/log_control_object.hpp"
#include "service/manager_object.hpp"
#include "service/object_context.hpp"
#include "service/object_path.hpp"
#include "service/zone_tree.hpp"

#include <vector>

namespace hvisor::service {

/// Every object of org.syswonder.hvisor1 on one connection: the Manager, the
/// zones with their devices, the jobs, and what the log is controlled by.
class Objects {
  public:
    /// All that `context` refers to outlives this.
    explicit Objects(const ObjectContext& context)
        : context_(context),
          tree_(context_),
          jobs_(context_),
          manager_(context_, tree_),
          log_(context_.connection, log_control_path()),
          manager_log_(context_.connection, manager_path()) {
        update(context_.zones.zones());
    }

    /// Make them show these zones and the jobs as they are, with the signals for it.
    void update(const std::vector<zone::ZoneState>& zones) {
        tree_.update(zones);
        jobs_.update();
        manager_.update();
    }

    /// Whether they and their connection have to stay for now; see OpenCalls.
    [[nodiscard]] bool must_stay() const { return context_.calls->must_stay(); }

  private:
    const ObjectContext context_;
    ZoneTree tree_;
    JobTree jobs_;
    ManagerObject manager_;
    LogControlObject log_;
    LogControlObject manager_log_;
};

} // namespace hvisor::service
