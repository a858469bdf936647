// SPDX-License-Identifier: Apache-2.0
#include "service/message_bus.hpp"

#include "service/machine_id.hpp"

namespace hvisor::service {
namespace {

int open_handle(const std::string& bus, sd_bus** handle) {
    if (bus.empty() || bus == "system") {
        return sd_bus_open_system(handle);
    }
    if (bus == "session") {
        return sd_bus_open_user(handle);
    }
    int result = sd_bus_new(handle);
    const auto then = [&](auto step) { result = result < 0 ? result : step(*handle); };
    then([&](sd_bus* made) { return sd_bus_set_address(made, bus.c_str()); });
    then([](sd_bus* made) { return sd_bus_set_bus_client(made, 1); });
    then([](sd_bus* made) { return sd_bus_start(made); });
    return result;
}

} // namespace

MessageBus MessageBus::open(const std::string& bus) {
    MessageBus result;
    sd_bus* handle = nullptr;
    int error = open_handle(bus, &handle);
    result.handle.reset(handle);
    // Until the bus has let this process in.
    error = error < 0 ? error : sd_bus_flush(handle);
    error = error < 0 ? error : refuse_missing_machine_id(handle);
    if (error < 0) {
        throw sdbus::createError(-error, "failed to connect");
    }
    result.connection = sdbus::createBusConnection(sd_bus_ref(handle));
    return result;
}

} // namespace hvisor::service
