// SPDX-License-Identifier: Apache-2.0
#include "device_text.hpp"

#include "client.hpp"
#include "display.hpp"
#include "format.hpp"

#include <cstdint>
#include <format>
#include <print>
#include <string>
#include <vector>

namespace hvisor::cli {
namespace {

std::string queue_line(const Dictionary& queue) {
    if (!value_of<bool>(queue, "Ready")) {
        return "not ready";
    }
    auto line =
        std::format("{} entries, took {}, published {}, {} requests", value_of<std::uint16_t>(queue, "Size"),
                    value_of<std::uint16_t>(queue, "AvailIndex"), value_of<std::uint16_t>(queue, "UsedIndex"),
                    value_of<std::uint64_t>(queue, "Requests"));
    if (const auto errors = value_of<std::uint64_t>(queue, "Errors"); errors != 0) {
        line += std::format(", {} failed", errors);
    }
    return line;
}

std::string port_line(const Dictionary& port) {
    const auto terminal = value_of<std::string>(port, "Terminal");
    const auto clients = value_of<std::uint32_t>(port, "Clients");
    return std::format("{}, {} by {}, {} in the zone, {} client{}{}",
                       terminal.empty() ? "no terminal" : terminal, value_of<std::uint16_t>(port, "Columns"),
                       value_of<std::uint16_t>(port, "Rows"),
                       value_of<bool>(port, "Open") ? "open" : "not open", clients, clients == 1 ? "" : "s",
                       value_of<bool>(port, "HasInput") ? ", one has the input" : "");
}

std::string interrupt_line(const JsonObject& device) {
    std::string line = std::format("{} sent, {} repeated", value_of<std::uint64_t>(device, "InterruptsSent"),
                                   value_of<std::uint64_t>(device, "InterruptsRepeated"));
    if (const auto age = value_of<std::uint64_t>(device, "UnacknowledgedUSec"); age != 0) {
        line += std::format(", not acknowledged for {}", duration(age));
    }
    return line;
}

std::string display_line(const Display& display) {
    const std::string what = display.connector.empty() ? "headless" : display.connector;
    if (!display.is_connected) {
        return what + ", nothing is plugged in";
    }
    return std::format("{}, {} by {}, {}, {} frames", what, display.width, display.height,
                       display.is_on ? "on" : "off", display.frames);
}

std::string input_line(const JsonObject& device) {
    auto line = value_of<std::string>(device, "Name");
    for (const auto& led : value_of<std::vector<std::string>>(device, "Leds")) {
        line += ", " + led;
    }
    if (const auto dropped = value_of<std::uint64_t>(device, "EventsDropped"); dropped != 0) {
        line += std::format(", {} events dropped", dropped);
    }
    return line;
}

} // namespace

void print_field(std::string_view name, std::string_view value) {
    std::println("  {:<14} {}", std::format("{}:", name), printable(value));
}

void print_device(const Object& object) {
    const JsonObject& device = object.properties;
    const auto status = value_of<std::uint32_t>(device, "Status");
    const auto last_register = value_of<std::string>(device, "LastRegister");
    std::println("{}", printable(value_of<std::string>(device, "Id")));
    print_field("Address",
                std::format("{:#x}, {:#x} bytes, interrupt {}", value_of<std::uint64_t>(device, "Address"),
                            value_of<std::uint64_t>(device, "Length"),
                            value_of<std::uint32_t>(device, "Interrupt")));
    const auto state = value_of<std::string>(device, "BackendState");
    print_field("Backend", value_of<std::string>(device, "Backend") +
                               (state == "stalled" ? ", which does not answer" : ""));
    print_field("Status", std::format("{} ({:#x})", status_names(status), status));
    if (const auto size = device.find("Size"); size != device.end()) {
        print_field("Disk", std::format("{} bytes{}, serial {}", size->second.get<std::uint64_t>(),
                                        value_of<bool>(device, "ReadOnly") ? ", read-only" : "",
                                        value_of<std::string>(device, "Serial")));
    }
    if (device.contains("LinkUp")) {
        print_field("Link", std::format("{}{}, {}, MTU {}", value_of<bool>(device, "LinkUp") ? "up" : "down",
                                        value_of<bool>(device, "Plugged") ? "" : ", the cable is pulled out",
                                        value_of<std::string>(device, "Mac"),
                                        value_of<std::uint16_t>(device, "Mtu")));
    }
    if (device.contains("EventsDropped")) {
        print_field("Input", input_line(device));
    }
    if (const auto renderer = value_of<std::string>(device, "Renderer"); !renderer.empty()) {
        print_field("3D", renderer);
    }
    for (const Display& display : displays_of(object)) {
        print_field(std::format("Display {}", display.number), display_line(display));
    }
    int index = 0;
    for (const auto& queue : value_of<std::vector<Dictionary>>(device, "Queues")) {
        print_field(std::format("Queue {}", index++), queue_line(queue));
    }
    for (const auto& port : value_of<std::vector<Dictionary>>(device, "Ports")) {
        const auto name = value_of<std::string>(port, "Name");
        print_field(name.empty() ? "Terminal" : "Port " + printable(name), port_line(port));
    }
    print_field("Last register", last_register.empty() ? "none was touched" : last_register);
    print_field("Accesses", std::to_string(value_of<std::uint64_t>(device, "Accesses")));
    print_field("Interrupts", interrupt_line(device));
}

} // namespace hvisor::cli
