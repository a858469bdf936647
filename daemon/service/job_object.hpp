// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/object_context.hpp"
#include "service/reply.hpp"

#include "job_adaptor.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstdint>
#include <string>

namespace hvisor::service {

/// One org.syswonder.hvisor1.Job.
class JobObject final
    : public sdbus::AdaptorInterfaces<org::syswonder::hvisor1::Job_adaptor, sdbus::ManagedObject_adaptor> {
  public:
    JobObject(const ObjectContext& context, JobInfo info);
    ~JobObject();
    JobObject(const JobObject&) = delete;
    JobObject& operator=(const JobObject&) = delete;
    JobObject(JobObject&&) = delete;
    JobObject& operator=(JobObject&&) = delete;

    /// Whether it cannot be removed for now; see OpenCalls.
    [[nodiscard]] bool must_stay() { return calls_.must_stay(); }

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

    const ObjectContext& context_;
    OpenCalls calls_;
    JobInfo info_;
};

} // namespace hvisor::service
