// SPDX-License-Identifier: Apache-2.0
#include "service/console_interface.hpp"

#include <cstdint>
#include <utility>

namespace hvisor::service {

ConsoleInterface::ConsoleInterface(const ObjectContext& context, sdbus::ObjectPath path, Sampler sampler)
    : AdaptorInterfaces(context.connection, std::move(path)), sample_(std::move(sampler)) {
    registerAdaptor();
}

ConsoleInterface::~ConsoleInterface() {
    unregisterAdaptor();
}

std::vector<Dictionary> ConsoleInterface::Ports() {
    std::vector<Dictionary> ports;
    for (const auto& port : sample_()) {
        ports.push_back({{"Name", sdbus::Variant(port.name)},
                         {"Console", sdbus::Variant(port.is_console)},
                         {"Terminal", sdbus::Variant(port.terminal)},
                         {"Columns", sdbus::Variant(port.columns)},
                         {"Rows", sdbus::Variant(port.rows)},
                         {"Open", sdbus::Variant(port.guest_open)},
                         {"Clients", sdbus::Variant(static_cast<std::uint32_t>(port.clients))},
                         {"HasInput", sdbus::Variant(port.has_typist)}});
    }
    return ports;
}

} // namespace hvisor::service
