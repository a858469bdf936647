// SPDX-License-Identifier: Apache-2.0
#include "service/job_tree.hpp"

#include <algorithm>

namespace hvisor::service {

void JobTree::update() {
    const auto jobs = context_.jobs.list();
    std::erase_if(objects_, [&](const auto& object) {
        return !std::ranges::contains(jobs, object.first, &JobInfo::id) && !object.second->must_stay();
    });
    for (const JobInfo& job : jobs) {
        auto& object = objects_[job.id];
        if (object) {
            object->update(job);
        } else {
            object = std::make_unique<JobObject>(context_, job);
        }
    }
}

} // namespace hvisor::service
