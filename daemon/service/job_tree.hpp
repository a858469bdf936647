// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/job_object.hpp"

#include <cstdint>
#include <map>
#include <memory>

namespace hvisor::service {

/// The Job objects on one connection, kept the same as Jobs. Main loop only.
class JobTree {
  public:
    JobTree(sdbus::IConnection& connection, Jobs& jobs, Authority& authority)
        : connection_(connection), jobs_(jobs), authority_(authority) {}

    /// Create, change and remove objects so that they show the jobs as they
    /// are, with the signals for it.
    void update();

  private:
    sdbus::IConnection& connection_;
    Jobs& jobs_;
    Authority& authority_;
    std::map<std::uint32_t, std::unique_ptr<JobObject>> objects_;
};

} // namespace hvisor::service
