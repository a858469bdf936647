// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sdbus-c++/sdbus-c++.h>
#include <systemd/sd-bus.h>

#include <memory>
#include <string>

namespace hvisor::service {

/// A connection to a message bus.
struct MessageBus {
    struct Unref {
        void operator()(sd_bus* bus) const { sd_bus_unref(bus); }
    };
    /// What is under `connection`: who sent a message is only known here.
    std::unique_ptr<sd_bus, Unref> handle;
    std::unique_ptr<sdbus::IConnection> connection;

    /// `bus` is "system", or "" for the same, "session" or an address. Throws sdbus::Error.
    [[nodiscard]] static MessageBus open(const std::string& bus);
};

} // namespace hvisor::service
