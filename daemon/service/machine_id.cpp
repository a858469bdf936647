// SPDX-License-Identifier: Apache-2.0
#include "service/machine_id.hpp"

#include <systemd/sd-id128.h>

namespace hvisor::service {
namespace {

/// Above 0 for a message that needs no other answer.
int on_message(sd_bus_message* message, void* /*data*/, sd_bus_error* /*error*/) {
    sd_id128_t id{};
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Peer", "GetMachineId") <= 0 ||
        sd_id128_get_machine(&id) >= 0) {
        return 0;
    }
    static_cast<void>(
        sd_bus_reply_method_errorf(message, SD_BUS_ERROR_FILE_NOT_FOUND,
                                   "this machine has no id: systemd-machine-id-setup gives it one"));
    return 1;
}

} // namespace

int refuse_missing_machine_id(sd_bus* bus) {
    return sd_bus_add_filter(bus, nullptr, on_message, nullptr);
}

} // namespace hvisor::service
