// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "service/bus_values.hpp"
#include "service/control_thread.hpp"
#include "service/jobs.hpp"
#include "zone/zone_manager.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hvisor::service {

using BusFiles = std::map<std::string, sdbus::UnixFd>;

/// The methods that take their time: each runs on the control thread, or on the
/// one for files when it starts and ends no zone, and is answered on the main loop after the objects have
/// been brought up to date, so that a caller finds in them what the reply says.
///
/// What starts or ends a zone is a job. Its reply is a dictionary with "Job",
/// the job's path, and "Zone", the path of the zone that it has started; it
/// comes when the job has ended, or at once and without "Zone" when `waits` is
/// false.
class Actions {
  public:
    /// `update_objects` runs on the main loop before each reply.
    Actions(zone::ZoneManager& zones, ControlThread& control, ControlThread& files, Jobs& jobs,
            std::function<void()> update_objects);

    void start_configured(std::string name, bool waits, sdbus::Result<Dictionary>&& reply);
    void start(zone::ConfigText zone, zone::ConfigText virtio, BusFiles files, bool waits,
               sdbus::Result<Dictionary>&& reply);
    void shutdown(std::string name, bool waits, sdbus::Result<Dictionary>&& reply);
    void restart(std::string name, bool waits, sdbus::Result<Dictionary>&& reply);

    /// Replies with the path of the file.
    void define(std::string name, sdbus::UnixFd file, zone::StoreOptions options,
                sdbus::Result<std::string>&& reply);
    void undefine(std::string name, sdbus::Result<>&& reply);
    /// Replies with what was found, see the XML.
    void check(std::vector<zone::ConfigText> files, std::string folder, sdbus::Result<Dictionary>&& reply);
    void configure_virtio(zone::ConfigText config, BusFiles files,
                          sdbus::Result<std::vector<std::uint32_t>>&& reply);
    /// Replies with the bytes the disk has; 0 bytes only looks.
    void resize_disk(std::string zone, std::string device, std::uint64_t bytes,
                     sdbus::Result<std::uint64_t>&& reply);

  private:
    /// Gets the job that it is, returns the name of the zone that it has started or "".
    using Work = std::move_only_function<Result<std::string>(Job&)>;

    struct Task {
        const char* operation; ///< "start"
        Action action;
        std::string zone;    ///< "" as long as it is not known
        std::string failure; ///< "cannot start zone linux2"
        Work work;
    };

    void run(Task task, bool waits, sdbus::Result<Dictionary>&& reply);
    template <class T, class... Values>
    void call(ControlThread& thread, std::string failure, std::move_only_function<Result<T>()> work,
              sdbus::Result<Values...>&& reply);

    zone::ZoneManager& zones_;
    ControlThread& control_;
    ControlThread& files_;
    std::size_t checks_ = 0; ///< that have not been answered
    Jobs& jobs_;
    std::function<void()> update_objects_;
};

} // namespace hvisor::service
