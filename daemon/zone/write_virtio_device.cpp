// SPDX-License-Identifier: Apache-2.0
#include "zone/write_virtio_device.hpp"

#include "zone/json_members.hpp"
#include "zone/print_json.hpp"

#include <format>
#include <utility>
#include <vector>

namespace hvisor::zone {
namespace {

std::string_view type_word(DeviceType type) {
    switch (type) {
    case DeviceType::block:
        return "blk";
    case DeviceType::console:
        return "console";
    case DeviceType::net:
        return "net";
    case DeviceType::entropy:
        return "rng";
    case DeviceType::vsock:
        return "vsock";
    case DeviceType::gpu:
        return "gpu";
    case DeviceType::input:
        return "input";
    }
    std::unreachable();
}

bool is_limited(const Throttle::Settings& limit) {
    return limit.bytes.rate != 0 || limit.operations.rate != 0;
}

std::string write_limit(const Throttle::Settings& limit, const std::string& unit) {
    JsonMembers members;
    members.add_optional("bytes_per_second", limit.bytes.rate);
    members.add_optional("bytes_burst", limit.bytes.burst);
    members.add_optional(unit + "_per_second", limit.operations.rate);
    members.add_optional(unit + "_burst", limit.operations.burst);
    return members.line();
}

void add_block(JsonMembers& members, const BlockConfig& block) {
    members.add("img", json_string(block.image));
    if (block.read_only) {
        members.add("readonly", "true");
    }
    if (block.direct) {
        members.add("direct", "true");
    }
    if (!block.serial.empty()) {
        members.add("serial", json_string(block.serial));
    }
    if (block.queues != 1) {
        members.add_number("queues", block.queues);
    }
    if (is_limited(block.limit)) {
        members.add("rate_limit", write_limit(block.limit, "requests"));
    }
}

void add_net(JsonMembers& members, const NetConfig& net) {
    members.add("tap", json_string(net.tap));
    std::vector<std::string> bytes;
    bytes.reserve(net.mac.size());
    for (const std::uint8_t byte : net.mac) {
        bytes.push_back(std::format("\"{:#04x}\"", byte));
    }
    members.add("mac", "[" + join(bytes, ", ") + "]");
    if (!net.bridge.empty()) {
        members.add("bridge", json_string(net.bridge));
    }
    members.add_optional("mtu", net.mtu);
    if (net.queue_pairs != 1) {
        members.add_number("queue_pairs", net.queue_pairs);
    }
    JsonMembers limits;
    if (is_limited(net.transmit)) {
        limits.add("transmit", write_limit(net.transmit, "frames"));
    }
    if (is_limited(net.receive)) {
        limits.add("receive", write_limit(net.receive, "frames"));
    }
    if (!limits.empty()) {
        members.add("rate_limit", limits.line());
    }
}

void add_ports(JsonMembers& members, const std::vector<VirtioPort>& ports) {
    std::vector<std::string> list;
    for (const VirtioPort& port : ports) {
        JsonMembers one;
        one.add("name", json_string(port.name));
        if (port.is_console) {
            one.add("console", "true");
        }
        list.push_back(one.line());
    }
    if (!list.empty()) {
        members.add("ports", "[" + join(list, ", ") + "]");
    }
}

std::string write_vnc(const VncConfig& vnc) {
    JsonMembers members;
    if (!vnc.listen.empty()) {
        members.add("listen", json_string(vnc.listen));
    }
    if (!vnc.password_file.empty()) {
        members.add("password_file", json_string(vnc.password_file));
    }
    members.add("keymap", json_string(vnc.keymap));
    return members.line();
}

void add_display(JsonMembers& members, const DisplayConfig& display) {
    if (!display.connector.empty()) {
        members.add("connector", json_string(display.connector));
    }
    members.add_optional("width", display.width);
    members.add_optional("height", display.height);
    members.add_optional("refresh", display.refresh);
    if (display.vnc) {
        members.add("vnc", write_vnc(*display.vnc));
    }
}

void add_gpu(JsonMembers& members, const GpuConfig& gpu) {
    if (gpu.backend == GpuBackend::headless) {
        members.add("backend", json_string("headless"));
    }
    if (!gpu.card.empty()) {
        members.add("card", json_string(gpu.card));
    }
    if (gpu.displays.size() == 1) {
        add_display(members, gpu.displays.front());
    } else {
        std::vector<std::string> list;
        for (const DisplayConfig& display : gpu.displays) {
            JsonMembers one;
            add_display(one, display);
            list.push_back(one.line());
        }
        members.add("displays", "[" + join(list, ", ") + "]");
    }
    if (gpu.memory != GpuConfig{}.memory) {
        members.add_number("memory", gpu.memory);
    }
    if (gpu.resources != GpuConfig{}.resources) {
        members.add_number("resources", gpu.resources);
    }
    if (gpu.is_3d) {
        members.add("renderer", json_string("virgl"));
    }
}

void add_input(JsonMembers& members, const InputConfig& input) {
    members.add("model", json_string(to_string(input.model)));
    if (input.model == InputModel::evdev) {
        members.add("path", json_string(input.path));
    }
    if (!input.grab) {
        members.add("grab", "false");
    }
}

} // namespace

std::string write_virtio_device(const VirtioDevice& device) {
    JsonMembers members;
    members.add("type", json_string(type_word(device.type)));
    members.add({{"addr", device.address}, {"len", device.length}});
    members.add_number("irq", device.interrupt);
    switch (device.type) {
    case DeviceType::block:
        add_block(members, device.block);
        break;
    case DeviceType::console:
        add_ports(members, device.ports);
        if (device.journal) {
            members.add("journal", "true");
        }
        break;
    case DeviceType::net:
        add_net(members, device.net);
        break;
    case DeviceType::entropy:
        if (is_limited(device.entropy_limit)) {
            members.add("rate_limit", write_limit(device.entropy_limit, "requests"));
        }
        break;
    case DeviceType::vsock:
        members.add_number("cid", device.cid);
        break;
    case DeviceType::gpu:
        add_gpu(members, device.gpu);
        break;
    case DeviceType::input:
        add_input(members, device.input);
        break;
    }
    return members.line();
}

} // namespace hvisor::zone
