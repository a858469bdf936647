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
    explicit JobTree(const ObjectContext& context) : context_(context) {}

    /// Create, change and remove objects so that they show the jobs as they
    /// are, with the signals for it.
    void update();

  private:
    const ObjectContext& context_;
    std::map<std::uint32_t, std::unique_ptr<JobObject>> objects_;
};

} // namespace hvisor::service
