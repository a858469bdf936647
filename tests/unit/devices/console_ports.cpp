// SPDX-License-Identifier: Apache-2.0
// Several ports, and the conversation about them (virtio 1.2, 5.3.6.2).
#include "console_rig.hpp"

#include <cstring>
#include <map>
#include <set>
#include <vector>

namespace console_ports_test {

using namespace hvisor;
using namespace hvisor::devices::console;
using namespace std::chrono_literals;
using kit::ChainBuilder;

namespace {

constexpr virtio::FeatureSet wanted{virtio::FeatureBit::version_1, f_size, f_multiport};

struct Message {
    std::uint32_t port = 0;
    ControlEvent event = ControlEvent::device_ready;
    std::uint16_t value = 0;
    std::string rest;

    auto operator<=>(const Message&) const = default;
};

/// A console with a port for programs and a second terminal.
struct PortsRig : kit::DeviceRig<ConsoleDevice> {
    explicit PortsRig(virtio::FeatureSet features = wanted)
        : DeviceRig(std::vector{PortOptions{.name = "org.example.agent", .is_console = false},
                                PortOptions{.name = "log", .is_console = true}}) {
        start(features);
    }
    void start(virtio::FeatureSet features = wanted) {
        queues.clear();
        for (std::size_t i = 0; i < queue_count_of(3); ++i) {
            queues.emplace_back(ram, 16);
        }
        std::vector<const kit::DriverQueue*> all;
        for (const auto& queue : queues) {
            all.push_back(&queue);
        }
        bring_up(all, features);
    }

    void give_control_buffers(std::size_t count, std::uint32_t size = 64) {
        for (std::size_t i = 0; i < count; ++i) {
            ChainBuilder buffer(queues[control_receive_queue]);
            buffer.writable(size);
            control_buffers.emplace(buffer.add(), buffer);
        }
        driver.kick(control_receive_queue);
    }
    std::optional<Message> take_message() {
        const auto used = queues[control_receive_queue].take_used();
        if (!used) {
            return std::nullopt;
        }
        const auto bytes = control_buffers.at(used->head).written(0);
        control_buffers.erase(used->head);
        REQUIRE(used->length >= sizeof(Control));
        Control control{};
        std::memcpy(&control, bytes.data(), sizeof control);
        return Message{.port = control.id,
                       .event = static_cast<ControlEvent>(control.event),
                       .value = control.value,
                       .rest = kit::to_text(bytes).substr(sizeof control, used->length - sizeof control)};
    }
    std::vector<Message> take_messages(std::size_t count) {
        std::vector<Message> messages;
        CHECK(kit::eventually([&] {
            while (auto message = take_message()) {
                messages.push_back(*message);
            }
            return messages.size() >= count;
        }));
        return messages;
    }
    void send_bytes(std::span<const std::byte> bytes) {
        auto& queue = queues[control_transmit_queue];
        ChainBuilder(queue).readable(bytes).add();
        driver.kick(control_transmit_queue);
        REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
    }
    void send(std::uint32_t id, ControlEvent event, std::uint16_t value) {
        const Control control{.id = id, .event = std::to_underlying(event), .value = value};
        send_bytes(std::as_bytes(std::span(&control, 1)));
    }
    /// What a Linux driver does with its ports; every message it got.
    std::vector<Message> converse() {
        give_control_buffers(12);
        send(0, ControlEvent::device_ready, 1);
        auto all = take_messages(3);
        for (std::uint32_t id = 0; id < 3; ++id) {
            send(id, ControlEvent::port_ready, 1);
        }
        const auto more = take_messages(9);
        all.insert(all.end(), more.begin(), more.end());
        send(0, ControlEvent::port_open, 1);
        send(2, ControlEvent::port_open, 1);
        settle();
        return all;
    }
    std::string receive(std::size_t number, std::uint32_t size = 64) {
        auto& queue = queues[receive_queue_of(number)];
        ChainBuilder buffer(queue);
        buffer.writable(size);
        buffer.add();
        driver.kick(static_cast<std::uint32_t>(receive_queue_of(number)));
        std::optional<kit::SplitQueue::Used> used;
        REQUIRE(kit::eventually([&] { return (used = queue.take_used()).has_value(); }));
        return kit::to_text(buffer.written(0)).substr(0, used->length);
    }
    void print(std::size_t number, std::string_view text) {
        auto& queue = queues[transmit_queue_of(number)];
        ChainBuilder(queue).readable(text).add();
        driver.kick(static_cast<std::uint32_t>(transmit_queue_of(number)));
        REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
    }
    UniqueFd attach(std::string_view name, const AttachOptions& options = {}) {
        auto fd = device.attach(name, options);
        REQUIRE(fd);
        return std::move(*fd);
    }
    /// It still does its work.
    void check_health() {
        CHECK_FALSE(needs_reset());
        print(0, "alive");
        CHECK(read_for(attach("", {.read_only = true}).get(), 100ms).ends_with("alive"));
    }

    std::vector<kit::SplitQueue> queues;
    std::map<std::uint16_t, ChainBuilder> control_buffers; ///< by head
};

std::string size_bytes(std::uint16_t cols, std::uint16_t rows) {
    const Resize resize{.cols = cols, .rows = rows};
    return kit::to_text(std::as_bytes(std::span(&resize, 1)));
}

} // namespace

TEST_CASE("a console with several ports says so") {
    PortsRig rig;
    CHECK(rig.driver.offered() ==
          (virtio::FeatureSet{f_size, f_multiport, f_emerg_write} | virtio::transport_features));
    CHECK(rig.driver.config<std::uint32_t>(4) == 3);
    CHECK(rig.device.queue_count() == 8);
    const auto ports = rig.device.ports();
    REQUIRE(ports.size() == 3);
    CHECK(ports[1].name == "org.example.agent");
    CHECK_FALSE(ports[1].is_console);
    CHECK(ports[2].is_console);
    // Each has a pty of its own.
    CHECK(std::set{ports[0].pty_path, ports[1].pty_path, ports[2].pty_path}.size() == 3);
    CHECK(rig.device.backend_name() == ports[0].pty_path);
}

TEST_CASE("the queues of ports are where the specification has them") {
    CHECK(receive_queue_of(0) == 0);
    CHECK(receive_queue_of(1) == 4);
    CHECK(transmit_queue_of(2) == 7);
    for (std::size_t port = 0; port < max_ports; ++port) {
        CHECK(port_of(receive_queue_of(port)) == port);
        CHECK(port_of(transmit_queue_of(port)) == port);
    }
    CHECK(queue_count_of(max_ports) <= virtio::max_queues);
}

TEST_CASE("the driver hears of each port what it is") {
    PortsRig rig;
    auto messages = rig.converse();
    std::ranges::sort(messages);
    using enum ControlEvent;
    std::vector<Message> expected{{.port = 0, .event = device_add, .value = 1, .rest = ""},
                                  {.port = 0, .event = console_port, .value = 1, .rest = ""},
                                  {.port = 0, .event = resize, .value = 1, .rest = size_bytes(80, 25)},
                                  {.port = 0, .event = port_open, .value = 1, .rest = ""},
                                  {.port = 1, .event = device_add, .value = 1, .rest = ""},
                                  {.port = 1, .event = port_open, .value = 1, .rest = ""},
                                  {.port = 1, .event = port_name, .value = 1, .rest = "org.example.agent"},
                                  {.port = 2, .event = device_add, .value = 1, .rest = ""},
                                  {.port = 2, .event = console_port, .value = 1, .rest = ""},
                                  {.port = 2, .event = resize, .value = 1, .rest = size_bytes(80, 25)},
                                  {.port = 2, .event = port_open, .value = 1, .rest = ""},
                                  {.port = 2, .event = port_name, .value = 1, .rest = "log"}};
    CHECK(messages == expected);
}

TEST_CASE("a driver without SIZE hears of no size") {
    PortsRig rig({virtio::FeatureBit::version_1, f_multiport});
    rig.give_control_buffers(12);
    rig.send(0, ControlEvent::device_ready, 1);
    static_cast<void>(rig.take_messages(3));
    rig.send(0, ControlEvent::port_ready, 1);
    const auto messages = rig.take_messages(2);
    CHECK(messages.size() == 2);
    CHECK(std::ranges::count(messages, ControlEvent::resize, &Message::event) == 0);
}

TEST_CASE("each port has its own output, history and input") {
    PortsRig rig;
    rig.converse();
    rig.send(1, ControlEvent::port_open, 1);
    rig.print(0, "console");
    rig.print(1, "agent");
    rig.print(2, "log");
    const auto console = rig.attach("");
    const auto agent = rig.attach("org.example.agent");
    const auto log = rig.attach("log");
    CHECK(read_exactly(console.get(), 7) == "console");
    CHECK(read_exactly(agent.get(), 5) == "agent");
    CHECK(read_exactly(log.get(), 3) == "log");
    type(console, "to 0");
    type(agent, "to 1");
    type(log, "to 2");
    CHECK(rig.receive(2) == "to 2");
    CHECK(rig.receive(0) == "to 0");
    CHECK(rig.receive(1) == "to 1");
    CHECK(rig.device.attach("logs", {}).error().code == ErrorCode::no_such_device);
}

TEST_CASE("input waits until the guest has opened the port, and while it is closed") {
    PortsRig rig;
    rig.converse();
    const auto agent = rig.attach("org.example.agent");
    type(agent, "one");
    auto& queue = rig.queues[receive_queue_of(1)];
    ChainBuilder buffer(queue);
    buffer.writable(64);
    buffer.add();
    rig.driver.kick(static_cast<std::uint32_t>(receive_queue_of(1)));
    rig.settle();
    // A Linux driver would throw it away now.
    CHECK(queue.used_index() == 0);
    CHECK_FALSE(rig.device.ports()[1].guest_open);
    rig.send(1, ControlEvent::port_open, 1);
    REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
    CHECK(kit::to_text(buffer.written(0)).starts_with("one"));
    CHECK(rig.device.ports()[1].guest_open);

    rig.send(1, ControlEvent::port_open, 0);
    type(agent, "two");
    ChainBuilder(queue).writable(64).add();
    rig.driver.kick(static_cast<std::uint32_t>(receive_queue_of(1)));
    rig.settle();
    CHECK(queue.used_index() == 1);
}

TEST_CASE("a new size is told to a driver that has the port") {
    PortsRig rig;
    rig.converse();
    rig.give_control_buffers(2);
    REQUIRE(rig.device.resize("log", {.columns = 100, .rows = 50}));
    const auto messages = rig.take_messages(1);
    REQUIRE(messages.size() == 1);
    CHECK(messages[0] ==
          Message{.port = 2, .event = ControlEvent::resize, .value = 1, .rest = size_bytes(100, 50)});
    // The same again is nothing new, nor is one of a port that is no terminal.
    REQUIRE(rig.device.resize("log", {.columns = 100, .rows = 50}));
    REQUIRE(rig.device.resize("org.example.agent", {.columns = 100, .rows = 50}));
    rig.settle();
    CHECK_FALSE(rig.take_message());
}

TEST_CASE("control messages wait for buffers, the newest size only") {
    PortsRig rig;
    rig.send(0, ControlEvent::device_ready, 1);
    rig.settle();
    CHECK(rig.queues[control_receive_queue].used_index() == 0);
    rig.give_control_buffers(2);
    CHECK(rig.take_messages(2).size() == 2);
    rig.give_control_buffers(1);
    CHECK(rig.take_messages(1).size() == 1);
    rig.send(0, ControlEvent::port_ready, 1);
    for (std::uint16_t columns = 90; columns <= 120; ++columns) {
        REQUIRE(rig.device.resize("", {.columns = columns, .rows = 30}));
    }
    rig.give_control_buffers(8);
    const auto messages = rig.take_messages(3);
    CHECK(messages.size() == 3);
    CHECK(std::ranges::contains(
        messages,
        Message{.port = 0, .event = ControlEvent::resize, .value = 1, .rest = size_bytes(120, 30)}));
}

TEST_CASE("a driver that says it is ready many times is told of each port once") {
    PortsRig rig;
    for (int i = 0; i < 100; ++i) {
        rig.send(0, ControlEvent::device_ready, 1);
    }
    rig.give_control_buffers(12);
    CHECK(rig.take_messages(3).size() == 3);
    for (int i = 0; i < 100; ++i) {
        rig.send(1, ControlEvent::port_ready, 1);
    }
    CHECK(rig.take_messages(2).size() == 2);
    rig.settle();
    CHECK_FALSE(rig.take_message());
    rig.check_health();
}

TEST_CASE("hostile control messages change nothing") {
    PortsRig rig;
    SECTION("before the driver is ready") {
        rig.send(0, ControlEvent::port_ready, 1);
        rig.send(1, ControlEvent::port_open, 1);
        CHECK_FALSE(rig.device.ports()[1].guest_open);
    }
    SECTION("port numbers out of range") {
        rig.converse();
        for (const std::uint32_t port : {3U, 7U, 0x10000U, 0x80000000U, UINT32_MAX}) {
            rig.send(port, ControlEvent::port_ready, 1);
            rig.send(port, ControlEvent::port_open, 1);
            rig.send(port, ControlEvent::port_name, 1);
        }
    }
    SECTION("events that are unknown, or the device's own") {
        rig.converse();
        for (std::uint16_t event = 0; event < 64; ++event) {
            if (event != std::to_underlying(ControlEvent::port_open)) {
                rig.send(1, static_cast<ControlEvent>(event), 1);
            }
        }
        rig.send(1, static_cast<ControlEvent>(UINT16_MAX), 1);
        CHECK_FALSE(rig.device.ports()[1].guest_open);
    }
    SECTION("messages that are short, empty or long") {
        rig.converse();
        for (std::size_t size = 1; size < sizeof(Control); ++size) {
            rig.send_bytes(std::vector(size, std::byte{0x06}));
        }
        auto& queue = rig.queues[control_transmit_queue];
        ChainBuilder(queue).at(rig.ram.allocate(16), 0, 0).add();
        ChainBuilder(queue).writable(8).add();
        rig.driver.kick(control_transmit_queue);
        REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
        REQUIRE(kit::eventually([&] { return queue.take_used().has_value(); }));
        rig.send_bytes(std::vector(65536, std::byte{0xff}));
    }
    SECTION("a driver that cannot set up its ports") {
        rig.send(0, ControlEvent::device_ready, 0);
        rig.converse();
        rig.send(1, ControlEvent::port_ready, 0);
    }
    rig.settle();
    rig.check_health();
}

TEST_CASE("control buffers that cannot take a message need a reset") {
    PortsRig rig;
    SECTION("too small") {
        rig.give_control_buffers(1, 7);
    }
    SECTION("readable") {
        ChainBuilder(rig.queues[control_receive_queue]).readable("wrong way").add();
        rig.driver.kick(control_receive_queue);
    }
    const Control control{.id = 0, .event = std::to_underlying(ControlEvent::device_ready), .value = 1};
    ChainBuilder(rig.queues[control_transmit_queue]).readable_value(control).add();
    rig.driver.kick(control_transmit_queue);
    REQUIRE(kit::eventually([&] { return rig.needs_reset(); }));
    // Afterwards it begins from the start.
    rig.control_buffers.clear();
    rig.start();
    CHECK(rig.converse().size() == 12);
    rig.check_health();
}

TEST_CASE("a driver that knows of no ports has port 0 as ever") {
    PortsRig rig({virtio::FeatureBit::version_1});
    rig.print(0, "hello");
    const auto console = rig.attach("");
    CHECK(read_exactly(console.get(), 5) == "hello");
    type(console, "x");
    CHECK(rig.receive(0) == "x");
    // What it does with the other queues is not looked at.
    ChainBuilder(rig.queues[transmit_queue_of(1)]).readable("nobody").add();
    rig.driver.kick(static_cast<std::uint32_t>(transmit_queue_of(1)));
    rig.give_control_buffers(1);
    rig.settle();
    CHECK(rig.queues[transmit_queue_of(1)].used_index() == 0);
    CHECK(rig.queues[control_receive_queue].used_index() == 0);
    rig.check_health();
}

TEST_CASE("a reset forgets what the driver said, and keeps what it printed") {
    PortsRig rig;
    rig.converse();
    rig.send(1, ControlEvent::port_open, 1);
    rig.print(1, "before");
    rig.control_buffers.clear();
    rig.driver.reset();
    CHECK_FALSE(rig.device.ports()[1].guest_open);
    rig.start();
    CHECK(rig.converse().size() == 12);
    rig.print(1, " after");
    CHECK(read_exactly(rig.attach("org.example.agent").get(), 12) == "before after");
}

TEST_CASE("every port of a zone that is gone gives its history and ends") {
    PortsRig rig;
    rig.converse();
    rig.print(2, "last words");
    rig.device.quiesce();
    const auto log = rig.attach("log");
    CHECK(read_exactly(log.get(), 10) == "last words");
    CHECK(at_end(log.get()));
}

} // namespace console_ports_test
