// SPDX-License-Identifier: Apache-2.0
#include "service/object_path.hpp"

#include <systemd/sd-bus.h>

#include <cstdlib>
#include <format>
#include <memory>
#include <new>

namespace hvisor::service {
namespace {

struct Free {
    void operator()(char* text) const { std::free(text); } // NOLINT(*-no-malloc): libsystemd allocated it
};

sdbus::ObjectPath encode(const std::string& prefix, const std::string& name) {
    char* path = nullptr;
    // The prefixes are right, so only memory can be wanting.
    if (sd_bus_path_encode(prefix.c_str(), name.c_str(), &path) < 0) {
        throw std::bad_alloc();
    }
    const std::unique_ptr<char, Free> owner(path);
    return sdbus::ObjectPath(path);
}

} // namespace

const sdbus::ObjectPath& manager_path() {
    static const sdbus::ObjectPath path("/org/syswonder/hvisor1");
    return path;
}

const sdbus::ObjectPath& log_control_path() {
    static const sdbus::ObjectPath path("/org/freedesktop/LogControl1");
    return path;
}

sdbus::ObjectPath zone_path(const std::string& name) {
    return encode(manager_path() + "/zone", name);
}

sdbus::ObjectPath job_path(std::uint32_t id) {
    return sdbus::ObjectPath(std::format("{}/job/{}", std::string(manager_path()), id));
}

sdbus::ObjectPath device_path(const sdbus::ObjectPath& zone, const std::string& id) {
    return encode(zone + "/device", id);
}

} // namespace hvisor::service
