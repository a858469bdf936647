// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/log_events.hpp"
#include "service/action_calls.hpp"
#include "service/bus_values.hpp"
#include "service/jobs.hpp"
#include "service/power_offs.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hvisor::service {

/// The methods that take their time and are of zones; see ActionCalls. Those
/// that start and end no zone, but read files, wait for none that does.
///
/// What starts or ends a zone is a job. Its reply is a dictionary with "Job",
/// the job's path, and "Zone", the path of the zone that it has started; it
/// comes when the job has ended, or at once and without "Zone" when `waits` is
/// false.
class Actions {
  public:
    /// `calls` and `file_calls` are of different threads.
    Actions(zone::ZoneManager& zones, ActionCalls& calls, ActionCalls& file_calls, Jobs& jobs,
            PowerOffs& power_offs);

    void start_configured(std::string name, bool waits, Reply<Dictionary>&& reply);
    void start(zone::ConfigText zone, zone::ConfigText virtio, BusFiles files, bool waits,
               Reply<Dictionary>&& reply);
    /// The zone's operating system is asked first, and has `patience` to power
    /// itself off; not with 0. Others have their turn meanwhile.
    void shutdown(std::string name, std::chrono::microseconds patience, bool waits,
                  Reply<Dictionary>&& reply);
    /// Its operating system is asked in the same way.
    void restart(std::string name, std::chrono::microseconds patience, bool waits, Reply<Dictionary>&& reply);

    /// Replies with the path of the file.
    void define(std::string name, sdbus::UnixFd file, zone::StoreOptions options, Reply<std::string>&& reply);
    void undefine(std::string name, Reply<>&& reply);
    /// Replies with what was found, see the XML.
    void check(std::vector<zone::ConfigText> files, std::string folder, Reply<Dictionary>&& reply);
    void configure_virtio(zone::ConfigText config, BusFiles files, Reply<std::vector<std::uint32_t>>&& reply);

  private:
    /// Gets the job that it is, returns the name of the zone that it has started or "".
    using Work = std::move_only_function<Result<std::string>(Job&)>;

    struct Task {
        const char* operation; ///< "start"
        Action action;
        std::string zone;    ///< "" as long as it is not known
        std::string failure; ///< "cannot be started"
        log::Event on_failure = log::Event::none;
        Work work;
    };

    /// A job on its way.
    struct Running {
        std::shared_ptr<Job> job;
        std::string failure;
        log::Event on_failure;
        std::optional<Reply<Dictionary>> reply; ///< nothing once it has been answered
    };

    void run(Task task, bool waits, Reply<Dictionary>&& reply);
    /// The same with the zone's operating system asked first: see shutdown().
    void run_behind_power_off(Task task, zone::ZoneManager::PowerOff purpose,
                              std::chrono::microseconds patience, bool waits, Reply<Dictionary>&& reply);
    /// A new job of that description, with its answer if nobody waits for its
    /// end; nothing, and the caller has the error, when there can be none.
    std::optional<Running> begin(const Task& task, bool waits, Reply<Dictionary>&& reply);
    void carry_out(Running running, Work work);
    void end(Running& running, const Result<std::string>& result);

    zone::ZoneManager& zones_;
    ActionCalls& calls_;
    ActionCalls& file_calls_;
    std::size_t checks_ = 0; ///< that have not been answered
    Jobs& jobs_;
    PowerOffs& power_offs_;
};

} // namespace hvisor::service
