// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"

#include "process.hpp"

#include <algorithm>
#include <fcntl.h>
#include <stdexcept>
#include <utility>

namespace hvisor::test {
namespace {

sdbus::UnixFd open_file(const std::string& path, int flags) {
    sdbus::UnixFd fd(open(path.c_str(), flags | O_CLOEXEC), sdbus::adopt_fd);
    if (!fd.isValid()) {
        throw std::runtime_error("cannot open " + path);
    }
    return fd;
}

} // namespace

SignalLog::SignalLog(std::unique_ptr<sdbus::IConnection> connection) : connection_(std::move(connection)) {
    match_ = connection_->addMatch(
        "type='signal',sender='org.syswonder.hvisor1',path_namespace='/org/syswonder/hvisor1'",
        [this](sdbus::Message message) { note(message); }, sdbus::return_slot);
    connection_->enterEventLoopAsync();
}

SignalLog::~SignalLog() {
    connection_->leaveEventLoop();
}

void SignalLog::note(sdbus::Message& message) {
    const std::string member = message.getMemberName();
    std::string line;
    if (member == "InterfacesAdded" || member == "InterfacesRemoved") {
        sdbus::ObjectPath path;
        message >> path;
        line = (member == "InterfacesAdded" ? "added " : "removed ") + path;
    } else if (member == "PropertiesChanged") {
        std::string interface;
        std::map<std::string, sdbus::Variant> properties;
        message >> interface >> properties;
        line = std::string("changed ") + message.getPath();
        for (const auto& [name, value] : properties) {
            line += ' ' + name;
        }
    }
    const std::lock_guard guard(lock_);
    lines_.push_back(line);
}

std::vector<std::string> SignalLog::lines() {
    const std::lock_guard guard(lock_);
    return lines_;
}

bool SignalLog::wait_for(const std::string& line) {
    return eventually([&] { return std::ranges::contains(lines(), line); });
}

Files zone_files(const ZoneFiles& files) {
    Files table;
    table.emplace("./Image", open_file(files.path("Image"), O_RDONLY));
    return table;
}

Files virtio_files(const ZoneFiles& files) {
    Files table;
    table.emplace("disk.img", open_file(files.path("disk.img"), O_RDWR));
    return table;
}

Files all_files(const ZoneFiles& files) {
    Files table = zone_files(files);
    table.merge(virtio_files(files));
    return table;
}

sdbus::ObjectPath start_guest(Manager& manager, const ZoneFiles& files) {
    const auto results = manager.StartZoneFromConfig("zone.json", ZoneFiles::zone_json(), "virtio.json",
                                                     ZoneFiles::virtio_json(), all_files(files), {});
    return results.at("Zone").get<sdbus::ObjectPath>();
}

Objects managed_objects(Manager& manager) {
    Objects objects;
    manager.getProxy()
        .callMethod("GetManagedObjects")
        .onInterface("org.freedesktop.DBus.ObjectManager")
        .storeResultsTo(objects);
    return objects;
}

} // namespace hvisor::test
