// SPDX-License-Identifier: Apache-2.0
#include "service/job_object.hpp"

#include "base/error_table.hpp"
#include "service/object_path.hpp"

#include <utility>
#include <vector>

namespace hvisor::service {

JobObject::JobObject(const ObjectContext& context, JobInfo info)
    : AdaptorInterfaces(context.connection, job_path(info.id)),
      context_(context),
      calls_(*context.calls),
      info_(std::move(info)) {
    registerAdaptor();
    announce([this] { emitInterfacesAddedSignal(); });
}

JobObject::~JobObject() {
    announce([this] { emitInterfacesRemovedSignal(); });
    unregisterAdaptor();
}

void JobObject::update(const JobInfo& info) {
    std::vector<sdbus::PropertyName> changed;
    const auto note = [&](const char* name, bool differs) {
        if (differs) {
            changed.emplace_back(name);
        }
    };
    note("Zone", info.zone != info_.zone);
    note("State", info.state != info_.state);
    note("Progress", info.progress != info_.progress);
    note("Error", info.error.has_value() != info_.error.has_value());
    info_ = info;
    if (!changed.empty()) {
        announce([&] { getObject().emitPropertiesChangedSignal(INTERFACE_NAME, changed); });
    }
}

void JobObject::Cancel(sdbus::Result<>&& result, Dictionary options) {
    check_options(options, {});
    authorise(context_.authority, info_.action, info_.zone, Reply(std::move(result), calls_.open()),
              [&jobs = context_.jobs, id = info_.id](auto& reply) {
                  value_or_throw(jobs.cancel(id));
                  reply.returnResults();
              });
}

std::uint32_t JobObject::Id() {
    return info_.id;
}

std::string JobObject::Operation() {
    return info_.operation;
}

std::string JobObject::Zone() {
    return info_.zone;
}

std::string JobObject::State() {
    return std::string(to_string(info_.state));
}

std::uint32_t JobObject::Progress() {
    return info_.progress;
}

std::uint64_t JobObject::CreatedUSec() {
    return info_.created;
}

sdbus::Struct<std::string, std::string> JobObject::Error() {
    return info_.error ? sdbus::Struct(dbus_error_name(info_.error->code), info_.error->message)
                       : sdbus::Struct(std::string(), std::string());
}

} // namespace hvisor::service
