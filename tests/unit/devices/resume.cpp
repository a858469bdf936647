// SPDX-License-Identifier: Apache-2.0
// A device object goes on where another one was, in the middle of traffic, with
// nothing but its plain data and the guest's memory.
#include "block_rig.hpp"
#include "console_rig.hpp"
#include "devices/entropy/device.hpp"
#include "input_rig.hpp"
#include "kit/successor.hpp"
#include "net_rig.hpp"

#include <map>

namespace resume_test {

using namespace hvisor;
using kit::ChainBuilder;
using kit::Successor;
using virtio::FeatureBit;
using virtio::FeatureSet;

namespace {

constexpr FeatureSet plain{FeatureBit::version_1};
/// The rings that there are, and the order in which chains go back.
constexpr FeatureSet kinds[] = {
    plain,
    plain | FeatureSet{FeatureBit::ring_event_idx, FeatureBit::ring_indirect_desc},
    plain | FeatureSet{FeatureBit::in_order},
    plain | FeatureSet{FeatureBit::ring_packed},
    plain | FeatureSet{FeatureBit::ring_packed, FeatureBit::in_order},
    plain | FeatureSet{FeatureBit::ring_packed, FeatureBit::ring_event_idx, FeatureBit::ring_indirect_desc},
};

/// Takes what came back until these are so many, waiting for them. A chain that
/// the driver does not have out is a failure of the queue's own.
bool returns(kit::DriverQueue& queue, std::size_t& returned, std::size_t wanted) {
    return kit::eventually([&] {
        while (queue.take_used()) {
            ++returned;
        }
        return returned >= wanted;
    });
}

} // namespace

TEST_CASE("block: requests that were out are carried out by the next object, and each comes back once") {
    using namespace hvisor::devices::block;
    for (const auto kind : kinds) {
        const Image image;
        // Three at once, and the others wait for a limit that lets one go in a minute.
        const BlockOptions limited{.queues = 1,
                                   .limit = {.bytes = {}, .operations = {.rate = 1, .burst = 3}}};
        kit::DeviceRig<BlockDevice> rig(image.backend(), limited);
        const auto features = FeatureSet::from_bits(kind.bits() & rig.device.features().bits());
        const auto queue = kit::make_queue(features, rig.ram, 64);
        rig.bring_up(*queue, features | FeatureSet{f_flush, f_config_wce});
        rig.driver.write(0x100 + offsetof(Config, writeback), 1, 0);
        std::vector<ChainBuilder> chains;
        const auto add_write = [&](unsigned sector) {
            ChainBuilder chain(*queue);
            chain.readable_value(RequestHeader{
                .type = static_cast<std::uint32_t>(RequestType::out), .reserved = 0, .sector = sector});
            chain.readable(filled(sector_size, 0x80 + sector)).writable(1);
            if (features.has(FeatureBit::ring_indirect_desc) && sector % 2 == 0) {
                chain.indirect();
            }
            chain.add();
            chains.push_back(std::move(chain));
        };
        for (unsigned sector = 0; sector < 10; ++sector) {
            add_write(sector);
        }
        rig.driver.kick(0);
        std::size_t returned = 0;
        REQUIRE(returns(*queue, returned, 3));
        // One that the driver has made available, and of which the device has not heard.
        add_write(10);

        Successor<BlockDevice> next(rig, image.backend());
        REQUIRE(returns(*queue, returned, 11));
        add_write(11);
        next.driver.kick(0);
        REQUIRE(returns(*queue, returned, 12));
        for (unsigned sector = 0; sector < 12; ++sector) {
            CHECK(chains.at(sector).written(0).back() == std::byte{0});
            CHECK(image.sector(sector) == filled(sector_size, 0x80 + sector));
        }
        CHECK(returned == 12);
        CHECK(queue->free_descriptors() == queue->size());
        CHECK(next.device.queue_state(0).metrics.requests.get() == 12);
        CHECK(next.device.queue_state(0).metrics.notifications.get() == 2);
        CHECK(next.driver.get(virtio::Register::status) == 15);
        // What the driver chose for the cache holds, and is gone after a reset.
        CHECK(next.driver.config<std::uint8_t>(offsetof(Config, writeback)) == 0);
        next.driver.reset();
        CHECK(kit::eventually(
            [&] { return next.driver.config<std::uint8_t>(offsetof(Config, writeback)) == 1; }));
    }
}

TEST_CASE("block: a driver hears of a size that changed while nobody served it") {
    using namespace hvisor::devices::block;
    const Image image;
    BlockRig rig(image);
    const auto generation = rig.driver.get(virtio::Register::config_generation);
    REQUIRE(::ftruncate(image.file.get(), 2 * image_sectors * sector_size) == 0);
    Successor<BlockDevice> next(rig, image.backend());
    CHECK(kit::eventually([&] { return next.driver.config<std::uint64_t>(0) == 2 * image_sectors; }));
    CHECK(next.driver.get(virtio::Register::config_generation) != generation);
    CHECK((next.driver.get(virtio::Register::interrupt_status) & virtio::interrupt_config_change) != 0);
}

TEST_CASE("net: filter, buffers and frames that wait are there for the next object") {
    using namespace hvisor::devices::net;
    for (const auto ring : kinds) {
        NetRig rig(NetRig::full | ring);
        constexpr Mac listed{0x02, 0, 0, 0, 9, 9};
        CHECK(rig.command(1, 0, std::uint32_t{1}, listed, std::uint32_t{0}) == ack_ok);
        CHECK(rig.command(1, 1, Mac{0x02, 0, 0, 0, 7, 7}) == ack_ok);
        std::map<std::uint16_t, ChainBuilder> buffers;
        for (int i = 0; i < 8; ++i) {
            ChainBuilder buffer(rig.rx());
            buffer.writable(2048);
            buffers.emplace(buffer.add(), buffer);
        }
        rig.driver.kick(0);
        REQUIRE(rig.host->put(make_frame(listed, host_mac, 100, 0)));
        unsigned got = 0;
        const auto receive = [&](unsigned up_to) {
            return kit::eventually([&] {
                while (const auto used = rig.rx().take_used()) {
                    const auto frame = NetRig::frame_in(buffers.at(used->head), used->length);
                    CHECK(frame.bytes == make_frame(listed, host_mac, 100, got++));
                    buffers.erase(used->head);
                }
                return got == up_to;
            });
        };
        REQUIRE(receive(1));
        // It makes more available and sends, and nobody hears of it.
        const auto sent = make_frame(host_mac, guest_mac, 200, 5);
        rig.frame_chain(sent).add();

        const auto cable = rig.host;
        Successor<NetDevice> next(rig, cable, NetSettings{.mac = guest_mac, .transmit = {}, .receive = {}});
        CHECK(rig.at_host()->bytes == sent);
        REQUIRE(rig.host->put(make_frame({0x02, 0, 0, 0, 8, 8}, host_mac, 100, 77))); // for somebody else
        REQUIRE(rig.host->put(make_frame(listed, host_mac, 100, 1)));
        REQUIRE(rig.host->put(make_frame(listed, host_mac, 100, 2)));
        CHECK(receive(3));
        CHECK(next.device.dropped(Drop::not_mine) == 1);
        CHECK_FALSE(rig.host->take());
        CHECK(rig.tx().take_used());
        CHECK_FALSE(rig.tx().take_used());
        CHECK(next.driver.config<std::uint8_t>(5) == 7);
        next.driver.reset();
        CHECK(kit::eventually([&] { return next.driver.config<std::uint8_t>(5) == guest_mac[5]; }));
    }
}

TEST_CASE("net: frames that the host did not take are sent by the next object, each once and in order") {
    using namespace hvisor::devices::net;
    for (const auto ring : kinds) {
        NetRig rig(NetRig::basic | ring, std::make_shared<FakeBackend>(), {}, {}, 256);
        for (unsigned number = 0; number < 120; ++number) {
            rig.frame_chain(make_frame(host_mac, guest_mac, 1900, number)).add();
        }
        rig.driver.kick(1);
        rig.settle();
        const auto cable = rig.host;
        Successor<NetDevice> next(rig, cable, NetSettings{.mac = guest_mac, .transmit = {}, .receive = {}});
        for (unsigned number = 0; number < 120; ++number) {
            const auto frame = rig.at_host();
            REQUIRE(frame);
            CHECK(frame->bytes == make_frame(host_mac, guest_mac, 1900, number));
        }
        std::size_t returned = 0;
        CHECK(returns(rig.tx(), returned, 120));
        CHECK(returned == 120);
        CHECK_FALSE(rig.host->take());
        CHECK(rig.tx().free_descriptors() == rig.tx().size());
    }
}

TEST_CASE("console: history, size and input go on with the next object") {
    using namespace hvisor::devices::console;
    ConsoleRig rig(plain | FeatureSet{f_size});
    rig.print("before");
    CHECK(rig.device.resize("", {.columns = 132, .rows = 43}));
    const auto first = rig.give_buffer();
    const auto second = rig.give_buffer();
    const auto typist = rig.attach();
    type(typist, "one");
    CHECK(rig.receive_into(first) == "one");

    Successor<ConsoleDevice> next(rig);
    auto stream = next.device.attach("", {});
    REQUIRE(stream);
    CHECK(read_exactly(stream->get(), 6) == "before");
    CHECK(next.device.ports().front().size == Size{.columns = 132, .rows = 43});
    CHECK(next.driver.config<std::uint16_t>(0) == 132);
    CHECK(next.driver.config<std::uint16_t>(2) == 43);
    type(*stream, "two");
    CHECK(rig.receive_into(second) == "two");
    ChainBuilder(rig.transmit).readable(" and after").add();
    next.driver.kick(devices::console::transmit_queue);
    CHECK(read_exactly(stream->get(), 10) == " and after");
    CHECK(kit::eventually([&] { return rig.transmit.take_used().has_value(); }));
    CHECK_FALSE(rig.transmit.take_used());
}

/// What systemd would have of the rig's console when its process is killed now.
devices::console::Remains remains_of(devices::console::ConsoleRig& rig) {
    devices::console::Remains remains;
    for (const auto& files : rig.device.files()) {
        remains.ports.push_back({.master = UniqueFd(::dup(files.master)),
                                 .terminal = UniqueFd(::dup(files.terminal)),
                                 .pipe = UniqueFd(::dup(files.pipe))});
    }
    for (const auto& [client, stream] : rig.kept) {
        remains.clients.push_back(
            {.port = client.first, .client = client.second, .stream = UniqueFd(::dup(stream.get()))});
    }
    return remains;
}

devices::console::ConsoleState& state_of(const devices::console::ConsoleRig& rig) {
    constexpr auto type = (sizeof(virtio::DeviceRecord) + 63) / 64 * 64;
    return *reinterpret_cast<devices::console::ConsoleState*>(rig.state->bytes().data() + type);
}

TEST_CASE("console: its pty gets each byte once, also when nobody noted the latest") {
    using namespace hvisor::devices::console;
    for (const bool was_noted : {true, false}) {
        ConsoleRig rig;
        const UniqueFd reader(
            ::open(rig.device.ports().front().pty_path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        REQUIRE(reader);
        rig.print("before, ");
        CHECK(read_exactly(reader.get(), 8) == "before, ");
        const auto path = rig.device.ports().front().pty_path;
        auto remains = remains_of(rig);
        if (!was_noted) {
            state_of(rig).ports.front().terminal.position.set(0);
        }
        Successor<ConsoleDevice> next(rig, std::vector<PortOptions>{}, false, std::move(remains));
        CHECK(next.device.ports().front().pty_path == path);
        ChainBuilder(rig.transmit).readable("and after").add();
        next.driver.kick(devices::console::transmit_queue);
        CHECK(read_exactly(reader.get(), 9) == "and after");
        CHECK(read_for(reader.get(), std::chrono::milliseconds(50)).empty());
    }
}

TEST_CASE("console: what was typed at its pty and did not fit waits for the next object") {
    using namespace hvisor::devices::console;
    ConsoleRig rig;
    const auto typist = rig.open_pty();
    const auto first = rig.give_buffer(4);
    type(typist, "one, two, three");
    CHECK(rig.receive_into(first) == "one,");
    Successor<ConsoleDevice> next(rig, std::vector<PortOptions>{}, false, remains_of(rig));
    for (const std::string_view part : {" two", ", th", "ree"}) {
        const ChainBuilder buffer = ChainBuilder(rig.receive).writable(4);
        ChainBuilder sent = buffer;
        sent.add();
        next.driver.kick(devices::console::receive_queue);
        CHECK(rig.receive_into(sent) == part);
    }
    const auto last = rig.give_buffer();
    next.driver.kick(devices::console::receive_queue);
    type(typist, "four");
    CHECK(rig.receive_into(last) == "four");
}

TEST_CASE("console: a client gets each byte once, also when nobody noted the latest") {
    using namespace hvisor::devices::console;
    for (const bool was_noted : {true, false}) {
        ConsoleRig rig;
        const auto reader = rig.watch();
        const auto typist = rig.attach();
        rig.print("before, ");
        CHECK(read_exactly(reader.get(), 8) == "before, ");
        CHECK(read_exactly(typist.get(), 8) == "before, ");
        REQUIRE(rig.kept.size() == 2);
        auto remains = remains_of(rig);
        if (!was_noted) {
            for (auto& place : state_of(rig).ports.front().clients) {
                place.position.set(0);
            }
        }
        Successor<ConsoleDevice> next(rig, std::vector<PortOptions>{}, false, std::move(remains));
        rig.kept.clear();
        CHECK(next.device.ports().front().streams == 2);
        CHECK(next.device.ports().front().has_typist);
        ChainBuilder(rig.transmit).readable("and after").add();
        next.driver.kick(devices::console::transmit_queue);
        for (const auto* client : {&reader, &typist}) {
            CHECK(read_exactly(client->get(), 9) == "and after");
            CHECK(read_for(client->get(), std::chrono::milliseconds(50)).empty());
        }
    }
}

TEST_CASE("console: what a client typed waits for the next object, and its last words when it has left") {
    using namespace hvisor::devices::console;
    ConsoleRig rig;
    const auto watcher = rig.watch();
    auto typist = rig.attach();
    const auto first = rig.give_buffer(4);
    type(typist, "one, two, ");
    CHECK(rig.receive_into(first) == "one,");
    auto remains = remains_of(rig);
    type(typist, "three");
    typist.reset();
    Successor<ConsoleDevice> next(rig, std::vector<PortOptions>{}, false, std::move(remains));
    rig.kept.clear();
    for (const std::string_view part : {" two", ", ", "thre", "e"}) {
        ChainBuilder buffer(rig.receive);
        buffer.writable(4).add();
        next.driver.kick(devices::console::receive_queue);
        CHECK(rig.receive_into(buffer) == part);
    }
    // Its place is free, and the one who only watches still does not type.
    CHECK(kit::eventually([&] { return next.device.ports().front().streams == 1; }));
    CHECK_FALSE(next.device.ports().front().has_typist);
    CHECK(next.device.attach("", {}));
}

TEST_CASE("console: a client that came as its process was killed has no place, and leaves none taken") {
    using namespace hvisor::devices::console;
    ConsoleRig rig;
    std::vector<UniqueFd> clients;
    for (std::size_t i = 0; i < max_clients; ++i) {
        clients.push_back(rig.watch());
    }
    CHECK_FALSE(rig.device.attach("", {.replay = 0, .read_only = true, .force = false}));
    auto remains = remains_of(rig);
    remains.clients.resize(1); // the others had not been kept yet
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0);
    const UniqueFd theirs(ends[1]);
    remains.clients.push_back({.port = 0, .client = 17, .stream = UniqueFd(ends[0])});
    std::vector<std::uint64_t> dropped;
    Successor<ConsoleDevice> next(rig, std::vector<PortOptions>{}, false, std::move(remains),
                                  ClientKeeper{.keep = {}, .drop = [&](std::size_t, std::uint64_t client) {
                                                   dropped.push_back(client);
                                               }});
    CHECK(next.device.ports().front().streams == 1);
    next.device.drop_left();
    CHECK(dropped == std::vector<std::uint64_t>{17});
    for (std::size_t i = 1; i < max_clients; ++i) {
        CHECK(next.device.attach("", {.replay = 0, .read_only = true, .force = false}));
    }
}

TEST_CASE("console: the conversation about ports goes on with the next object") {
    using namespace hvisor::devices::console;
    const std::vector further{PortOptions{.name = "log", .is_console = false}};
    kit::DeviceRig<ConsoleDevice> rig(further);
    std::vector<kit::SplitQueue> queues;
    std::vector<const kit::DriverQueue*> all;
    queues.reserve(queue_count_of(2));
    for (std::size_t i = 0; i < queue_count_of(2); ++i) {
        all.push_back(&queues.emplace_back(rig.ram, 16));
    }
    rig.bring_up(all, plain | FeatureSet{f_multiport, f_size});
    const auto tell = [&](ControlEvent event, std::uint32_t port) {
        ChainBuilder(queues[control_transmit_queue])
            .readable_value(Control{.id = port, .event = static_cast<std::uint16_t>(event), .value = 1})
            .add();
        rig.driver.kick(control_transmit_queue);
        REQUIRE(kit::eventually([&] { return queues[control_transmit_queue].take_used().has_value(); }));
    };
    tell(ControlEvent::device_ready, 0);
    tell(ControlEvent::port_ready, 1);
    tell(ControlEvent::port_open, 1);

    // The messages that are owed come once the driver has buffers for them.
    Successor<ConsoleDevice> next(rig, further);
    CHECK(next.device.ports().at(1).guest_open);
    CHECK_FALSE(next.device.ports().at(0).guest_open);
    std::map<std::uint16_t, ChainBuilder> buffers;
    for (int i = 0; i < 8; ++i) {
        ChainBuilder buffer(queues[control_receive_queue]);
        buffer.writable(64);
        buffers.emplace(buffer.add(), buffer);
    }
    next.driver.kick(control_receive_queue);
    std::map<std::uint32_t, std::vector<ControlEvent>> messages;
    CHECK(kit::eventually([&] {
        while (const auto used = queues[control_receive_queue].take_used()) {
            Control control{};
            const auto bytes = buffers.at(used->head).written(0);
            std::memcpy(&control, bytes.data(), sizeof control);
            messages[control.id].push_back(static_cast<ControlEvent>(control.event));
        }
        return messages[1].size() == 3;
    }));
    CHECK(messages[0] == std::vector{ControlEvent::device_add});
    CHECK(messages[1] ==
          std::vector{ControlEvent::device_add, ControlEvent::port_open, ControlEvent::port_name});
}

TEST_CASE("entropy: buffers that wait are filled by the next object, each once") {
    using namespace hvisor::devices::entropy;
    kit::DeviceRig<EntropyDevice> rig([](std::span<std::byte>) -> ssize_t {
        errno = EAGAIN;
        return -1;
    });
    kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue);
    std::vector<ChainBuilder> chains;
    for (int i = 0; i < 4; ++i) {
        ChainBuilder chain(queue);
        chain.writable(32).add();
        chains.push_back(chain);
    }
    rig.driver.kick(0);
    rig.settle();
    CHECK_FALSE(queue.has_used());
    Successor<EntropyDevice> next(rig, kernel_random);
    std::size_t returned = 0;
    CHECK(returns(queue, returned, 4));
    CHECK(returned == 4);
    for (const auto& chain : chains) {
        CHECK(chain.written(0) != std::vector(32, std::byte{0xee}));
    }
}

TEST_CASE("input: events that wait and LEDs are there for the next object, and no key stays down") {
    using namespace hvisor::devices::input;
    for (const auto ring : kinds) {
        InputRig rig(keyboard(), nullptr,
                     FeatureSet::from_bits(ring.bits() & virtio::transport_features.bits()));
        rig.give_buffers(3);
        rig.send_status({.type = EV_LED, .code = LED_NUML, .value = 1});
        rig.put({key(KEY_A, 1)});
        CHECK(rig.take(2) == Events{key(KEY_A, 1), report});
        rig.put({key(KEY_B, 1)});
        CHECK(rig.take(1) == Events{key(KEY_B, 1)});
        // Its report waits for a buffer.
        rig.driver.write(0x100, 1, std::to_underlying(Select::id_name));

        Successor<InputDevice> next(rig, keyboard(), std::string("keyboard"));
        CHECK(next.device.leds() == 1 << LED_NUML);
        CHECK(next.device.is_heard());
        CHECK(next.driver.config<std::uint8_t>(2) == std::string_view("hvisor keyboard").size());
        rig.give_buffers(8);
        next.driver.kick(event_queue);
        // Whoever held the keys down is gone with the old process.
        CHECK(rig.take(4) == Events{report, key(KEY_A, 0), key(KEY_B, 0), report});
        next.device.put(Events{key(KEY_C, 1)});
        CHECK(rig.take(2) == Events{key(KEY_C, 1), report});
    }
}

} // namespace resume_test
