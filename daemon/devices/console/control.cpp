// SPDX-License-Identifier: Apache-2.0
// The conversation about ports (virtio 1.2, 5.3.6.2).
#include "devices/console/device.hpp"

#include <bit>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hvisor::devices::console {
namespace {

std::span<const std::byte> bytes_of(const auto& value) {
    return std::as_bytes(std::span(&value, 1));
}

} // namespace

void ConsoleDevice::handle_control(virtio::Reader reader) {
    const auto message = reader.read<Control>();
    if (!message) {
        count_error(control_transmit_queue);
        warn("a control message of {} bytes: it has {}", reader.remaining(), sizeof(Control));
        return;
    }
    if (message->event != std::to_underlying(ControlEvent::device_ready)) {
        handle_port_message(*message);
        return;
    }
    if (message->value == 0) {
        warn("the driver could not set up its ports");
        return;
    }
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        // virtio 1.2, 5.3.6.2.1: never for a port that exists.
        if (!std::exchange(state_.conversations.at(i).added, true)) {
            owe(i, ControlEvent::device_add);
        }
    }
}

void ConsoleDevice::handle_port_message(const Control& message) {
    const auto port = std::size_t{message.id};
    if (port >= ports_.size() || !state_.conversations.at(port).added) {
        count_error(control_transmit_queue);
        warn("control message {} about port {}, which was not added", message.event, message.id);
        return;
    }
    auto& conversation = state_.conversations.at(port);
    switch (static_cast<ControlEvent>(message.event)) {
    case ControlEvent::port_ready:
        if (message.value == 0) {
            warn("the driver could not set up port {}", message.id);
            conversation.ready = false;
            conversation.owed = 0;
        } else if (!std::exchange(conversation.ready, true)) {
            begin_port(port);
        }
        return;
    case ControlEvent::port_open:
        conversation.guest_open.set(message.value != 0);
        ports_[port]->look_again();
        return;
    default:
        count_error(control_transmit_queue);
        warn("control message {} about port {}, which is none of a driver's", message.event, message.id);
    }
}

void ConsoleDevice::begin_port(std::size_t port) {
    const auto& options = ports_.at(port)->options();
    if (options.is_console) {
        owe(port, ControlEvent::console_port);
        owe(port, ControlEvent::resize);
    }
    if (!options.name.empty()) {
        owe(port, ControlEvent::port_name);
    }
    // The history listens even when nobody is attached; without this message
    // Linux lets programs wait that write.
    owe(port, ControlEvent::port_open);
}

void ConsoleDevice::owe(std::size_t port, ControlEvent event) {
    if (event != ControlEvent::resize || negotiated(f_size)) {
        state_.conversations.at(port).owed |= static_cast<std::uint16_t>(1U << std::to_underlying(event));
    }
}

void ConsoleDevice::send_owed() {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        auto& owed = state_.conversations.at(i).owed;
        while (owed != 0) {
            const auto event = static_cast<ControlEvent>(std::countr_zero(owed));
            if (!send(i, event)) {
                return;
            }
            owed = static_cast<std::uint16_t>(owed & (owed - 1));
        }
    }
}

bool ConsoleDevice::send(std::size_t port, ControlEvent event) {
    if (!has_buffer(control_receive_queue)) {
        return false;
    }
    auto chain = pop(control_receive_queue);
    if (!chain) {
        return false;
    }
    const auto size = ports_.at(port)->size();
    const Resize resize{.cols = size.columns, .rows = size.rows};
    std::span<const std::byte> rest;
    if (event == ControlEvent::resize) {
        rest = bytes_of(resize);
    } else if (event == ControlEvent::port_name) {
        rest = std::as_bytes(std::span(ports_.at(port)->options().name));
    }
    auto writer = chain->writer();
    if (writer.remaining() < sizeof(Control) + rest.size()) {
        require_reset("a control buffer that is too small for a message");
        return false;
    }
    const Control control{
        .id = static_cast<std::uint32_t>(port), .event = std::to_underlying(event), .value = 1};
    const auto written = writer.write(bytes_of(control));
    chain->set_written(written + writer.write(rest));
    return true;
}

} // namespace hvisor::devices::console
