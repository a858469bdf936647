// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/authority.hpp"
#include "service/bus_values.hpp"
#include "service/jobs.hpp"

#include "job_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>

namespace hvisor::service {

/// One org.syswonder.hvisor1.Job.
class JobObject final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Job_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    JobObject(sdbus::IConnection& connection, Jobs& jobs, Authority& authority, JobInfo info);
    ~JobObject();
    JobObject(const JobObject&) = delete;
    JobObject& operator=(const JobObject&) = delete;
    JobObject(JobObject&&) = delete;
    JobObject& operator=(JobObject&&) = delete;

    /// Take the newest state, and tell clients what changed.
    void update(const JobInfo& info);

  private:
    void Cancel(sdbus::Result<>&& result, Dictionary options) override;
    std::uint32_t Id() override;
    std::string Operation() override;
    std::string Zone() override;
    std::string State() override;
    std::uint32_t Progress() override;
    std::uint64_t CreatedUSec() override;
    sdbus::Struct<std::string, std::string> Error() override;

    Jobs& jobs_;
    Authority& authority_;
    JobInfo info_;
};

} // namespace hvisor::service
