// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <systemd/sd-bus.h>

namespace hvisor::service {

/// Let a machine without an id refuse org.freedesktop.DBus.Peer.GetMachineId() on this
/// connection to a bus, as long as it is there. Returns below 0, a negative errno, when it cannot.
///
/// libsystemd answers that call by itself, and where /etc/machine-id is missing or empty
/// takes its own failure for one of the connection: anybody's call would end the daemon.
[[nodiscard]] int refuse_missing_machine_id(sd_bus* bus);

} // namespace hvisor::service
