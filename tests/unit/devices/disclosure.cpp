// SPDX-License-Identifier: Apache-2.0
// No byte of the daemon's memory reaches a guest: of all of its memory only
// those bytes change that a device has something to say in, and for which the
// used length accounts.
#include "block_rig.hpp"
#include "console_rig.hpp"
#include "devices/entropy/device.hpp"
#include "gpu_rig.hpp"
#include "input_rig.hpp"
#include "kit/ram_watch.hpp"
#include "net_rig.hpp"

namespace disclosure_test {

using namespace hvisor;
using kit::ChainBuilder;
using kit::RamWatch;

namespace {

std::vector<std::byte> joined(std::vector<std::byte> first, std::span<const std::byte> second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

} // namespace

TEST_CASE("block: no byte of the daemon's memory reaches a guest") {
    using namespace hvisor::devices::block;
    constexpr std::size_t unit = 4096; // for direct I/O
    constexpr std::size_t units = 16;
    for (const bool is_direct : {false, true}) {
        const DiskFile file(units * unit);
        auto backend = file.open({.path = "", .direct = is_direct});
        if (!backend) {
            SKIP("this file system has no direct I/O");
        }
        BlockRig rig(std::move(*backend));
        const auto sector_of = [](std::size_t number) { return number * unit / sector_size; };
        // What goes through the daemon's buffers here must not come out of them again.
        for (int i = 0; i < 16; ++i) {
            auto secret = rig.request(RequestType::out, 0).readable(filled(4 * unit, 0x5e)).writable(1);
            rig.send(secret);
        }
        // From here on the image is shorter than the guest has been told.
        REQUIRE(::ftruncate(file.file.get(), 9 * unit) == 0);
        const auto check = [&](std::span<const std::byte> header, std::size_t room,
                               const std::vector<std::byte>& data, RequestStatus status) {
            RamWatch watch(rig.ram);
            const auto at = watch.room(room);
            const auto status_at = watch.room(1);
            ChainBuilder chain(rig.queue);
            chain.readable(header)
                .at(at, static_cast<std::uint32_t>(room), kit::desc_write)
                .at(status_at, 1, kit::desc_write);
            watch.begin();
            const auto head = chain.add();
            rig.driver.kick(0);
            std::optional<kit::SplitQueue::Used> used;
            REQUIRE(kit::eventually([&] { return (used = rig.queue.take_used()).has_value(); }));
            rig.driver.acknowledge();
            CHECK(used->head == head);
            CHECK(used->length == room + 1);
            auto expected = data;
            expected.resize(room); // with zeroes
            watch.expect(at, expected);
            watch.expect(status_at, filled(1, static_cast<unsigned>(status)));
            rig.settle(); // it may still say that it wants to be notified
            watch.allow(rig.queue);
            CHECK(watch.holds());
        };
        const auto request = [&](std::uint32_t type, std::size_t number, std::size_t room,
                                 const std::vector<std::byte>& data, RequestStatus status) {
            INFO("type " << type << " at " << number << ", direct " << is_direct);
            const RequestHeader header{.type = type, .reserved = 0, .sector = sector_of(number)};
            check(std::as_bytes(std::span(&header, 1)), room, data, status);
        };
        const auto in = static_cast<std::uint32_t>(RequestType::in);
        request(in, 5, unit, file.bytes(5 * unit, unit), RequestStatus::ok);
        request(in, 8, 3 * unit, file.bytes(8 * unit, unit), RequestStatus::io_error);
        request(in, 9, 2 * unit, {}, RequestStatus::io_error);
        request(in, units - 1, 2 * unit, {}, RequestStatus::io_error);
        request(in, 4, unit + 100, {}, RequestStatus::io_error);
        request(static_cast<std::uint32_t>(RequestType::out), units + 1, 3000, {}, RequestStatus::io_error);
        request(static_cast<std::uint32_t>(RequestType::flush), 0, 700, {}, RequestStatus::ok);
        request(static_cast<std::uint32_t>(RequestType::discard), 0, 700, {}, RequestStatus::unsupported);
        request(static_cast<std::uint32_t>(RequestType::write_zeroes), 0, 700, {},
                RequestStatus::unsupported);
        request(77, 0, 5000, {}, RequestStatus::unsupported);
        request(static_cast<std::uint32_t>(RequestType::get_id), 0, 100, kit::to_bytes(rig.device.serial()),
                RequestStatus::ok);
        request(static_cast<std::uint32_t>(RequestType::get_id), 0, 10, {}, RequestStatus::io_error);
        check(filled(7, 0), 600, {}, RequestStatus::io_error);
    }
}

TEST_CASE("net: no byte of the daemon's memory reaches a guest") {
    using namespace hvisor::devices::net;
    NetRig rig(NetRig::full);
    // Larger than all that follow, in both directions.
    rig.transmit(rig.frame_chain(make_frame(host_mac, guest_mac, 1900, 1)));
    REQUIRE(rig.at_host());
    {
        const auto buffer = rig.give_buffer(4096);
        REQUIRE(rig.host->put(make_frame(guest_mac, host_mac, 1500, 2)));
        rig.used(rig.rx());
    }
    RamWatch watch(rig.ram);
    const auto run = [&](kit::DriverQueue& queue, std::size_t index, ChainBuilder& chain, const auto& act) {
        watch.begin();
        chain.add();
        rig.driver.kick(static_cast<std::uint32_t>(index));
        act();
        const auto length = rig.used(queue).length;
        rig.settle();
        watch.allow(queue);
        return length;
    };
    // One buffer, then a frame over three of them, whose rest stays as it was.
    const auto frame = make_frame(guest_mac, host_mac, 100, 3);
    const auto one = watch.room(2048);
    ChainBuilder receive(rig.rx());
    receive.at(one, 2048, kit::desc_write);
    const auto put = [&] { REQUIRE(rig.host->put(frame)); };
    CHECK(run(rig.rx(), 0, receive, put) == sizeof(Header) + 100);
    Header header{};
    header.num_buffers = 1;
    watch.expect(one, joined({std::as_bytes(std::span(&header, 1)).begin(),
                              std::as_bytes(std::span(&header, 1)).end()},
                             frame));
    CHECK(watch.holds());

    // Nothing is written where frames are sent, not even where a driver lets us.
    const auto writable = watch.room(500);
    ChainBuilder wrong(rig.tx());
    wrong.readable_value(Header{}).readable(make_frame(host_mac, guest_mac, 60, 1));
    wrong.at(writable, 500, kit::desc_write);
    CHECK(run(rig.tx(), 1, wrong, [] {}) == 0);
    CHECK(watch.holds());

    // A command has one byte for an answer, whatever room there is, and whether it is one.
    for (const std::uint8_t type : {std::uint8_t{0}, std::uint8_t{0x66}}) {
        const auto answer = watch.room(300);
        ChainBuilder command(rig.control());
        command.readable_value(std::array<std::uint8_t, 3>{type, 0, 1}).at(answer, 300, kit::desc_write);
        CHECK(run(rig.control(), rig.queues.size() - 1, command, [] {}) == 1);
        const auto ack = static_cast<std::byte>(type == 0 ? ack_ok : ack_error);
        watch.expect(answer, std::span(&ack, 1));
        CHECK(watch.holds());
    }
}

TEST_CASE("console: no byte of the daemon's memory reaches a guest") {
    using namespace hvisor::devices::console;
    ConsoleRig rig;
    rig.print(std::string(1000, 's'));
    const auto typist = rig.attach({.replay = 0});
    RamWatch watch(rig.ram);
    const auto at = watch.room(4096);
    ChainBuilder buffer(rig.receive);
    buffer.at(at, 4096, kit::desc_write);
    watch.begin();
    buffer.add();
    rig.driver.kick(devices::console::receive_queue);
    type(typist, "typed");
    std::optional<kit::SplitQueue::Used> used;
    REQUIRE(kit::eventually([&] { return (used = rig.receive.take_used()).has_value(); }));
    CHECK(used->length == 5);
    watch.expect(at, kit::to_bytes("typed"));
    rig.settle();
    watch.allow(rig.receive);
    CHECK(watch.holds());
}

TEST_CASE("entropy: no byte of the daemon's memory reaches a guest") {
    using namespace hvisor::devices::entropy;
    // A source that has less than was asked for leaves the rest of its buffer as it finds it.
    kit::DeviceRig<EntropyDevice> rig([](std::span<std::byte> to) -> ssize_t {
        std::ranges::fill(to.first(10), std::byte{0x11});
        return 10;
    });
    kit::SplitQueue queue(rig.ram, 16);
    rig.bring_up(queue);
    RamWatch watch(rig.ram);
    const auto at = watch.room(1000);
    ChainBuilder chain(queue);
    chain.at(at, 1000, kit::desc_write);
    rig.settle(); // it writes to the ring as it begins
    watch.begin();
    chain.add();
    rig.driver.kick(0);
    std::optional<kit::SplitQueue::Used> used;
    REQUIRE(kit::eventually([&] { return (used = queue.take_used()).has_value(); }));
    CHECK(used->length >= 10);
    CHECK(used->length <= 1000);
    watch.expect(at, std::vector(used->length, std::byte{0x11}));
    rig.settle();
    watch.allow(queue);
    CHECK(watch.holds());
}

TEST_CASE("input: no byte of the daemon's memory reaches a guest") {
    using namespace hvisor::devices::input;
    InputRig rig;
    RamWatch watch(rig.ram);
    const auto at = watch.room(200);
    ChainBuilder buffer(*rig.events);
    buffer.at(at, 200, kit::desc_write);
    const auto status_at = watch.room(100);
    ChainBuilder status(*rig.status);
    status.readable_value(WireEvent{.type = EV_LED, .code = LED_CAPSL, .value = 1});
    status.at(status_at, 100, kit::desc_write);
    rig.settle(); // it writes to the rings as it begins
    watch.begin();
    buffer.add();
    rig.driver.kick(event_queue);
    rig.put({key(KEY_A, 1)});
    std::optional<kit::SplitQueue::Used> used;
    REQUIRE(kit::eventually([&] { return (used = rig.events->take_used()).has_value(); }));
    CHECK(used->length == sizeof(WireEvent));
    const WireEvent pressed{.type = EV_KEY, .code = KEY_A, .value = 1};
    watch.expect(at, std::as_bytes(std::span(&pressed, 1)));
    // Nothing is written where a status is sent, not even where a driver lets us.
    status.add();
    rig.driver.kick(status_queue);
    REQUIRE(kit::eventually([&] { return (used = rig.status->take_used()).has_value(); }));
    CHECK(used->length == 0);
    rig.settle();
    watch.allow(*rig.events);
    watch.allow(*rig.status);
    CHECK(watch.holds());
}

TEST_CASE("gpu: no byte of the daemon's memory reaches a guest") {
    using namespace hvisor::devices::gpu;
    GpuRig rig({.screens = {{.width = 800, .height = 600}}});
    const Size size{.width = 64, .height = 48};
    rig.draw(1, pattern(size, 1));
    rig.set_scanout(0, 1, Rect::of(size));
    // Where an answer of this length and these bytes is expected, whatever the room.
    const auto check = [&](const std::vector<std::byte>& request, Response type, std::size_t body) {
        for (const std::uint32_t room : {0U, 23U, 24U, 100U, 2000U}) {
            INFO("type " << std::to_underlying(type) << ", room for " << room);
            RamWatch watch(rig.ram);
            const auto at = watch.room(std::max(room, 1U));
            ChainBuilder chain(rig.control);
            chain.readable(request);
            if (room != 0) {
                chain.at(at, room, kit::desc_write);
            }
            rig.settle(); // it writes to the ring when it has nothing to do
            watch.begin();
            chain.add();
            rig.driver.kick(control_queue);
            std::optional<kit::SplitQueue::Used> used;
            REQUIRE(kit::eventually([&] { return (used = rig.control.take_used()).has_value(); }));
            rig.driver.acknowledge();
            const auto expected =
                room < sizeof(Header) ? 0 : std::min<std::size_t>(room, sizeof(Header) + body);
            CHECK(used->length == expected);
            if (expected != 0) {
                Header header{};
                header.type = std::to_underlying(type);
                watch.expect(at, std::as_bytes(std::span(&header, 1)));
                watch.allow(at + sizeof header, expected - sizeof header);
            }
            rig.settle();
            watch.allow(rig.control);
            CHECK(watch.holds());
        }
    };
    check(GpuRig::request(Command::get_display_info), Response::ok_display_info, sizeof(DisplayInfo));
    check(GpuRig::request(Command::get_edid, GetEdid{}), Response::ok_edid, sizeof(EdidAnswer));
    check(GpuRig::request(Command::resource_assign_uuid, ResourceOnly{.resource_id = 1, .padding = 0}),
          Response::ok_resource_uuid, sizeof(ResourceUuid));
    check(GpuRig::request(
              Command::transfer_to_host_2d,
              TransferToHost2d{.r = to_guest(Rect::of(size)), .offset = 0, .resource_id = 1, .padding = 0}),
          Response::ok_nodata, 0);
    check(GpuRig::request(Command::resource_flush, GpuRig::flush_of(1, Rect::of(size))), Response::ok_nodata,
          0);
    check(GpuRig::request(Command::resource_unref, ResourceOnly{.resource_id = 7, .padding = 0}),
          Response::err_invalid_resource_id, 0);
    check(GpuRig::request(static_cast<Command>(0x207)), Response::err_unspec, 0);
    check({}, Response::err_invalid_parameter, 0);
    // A resource that was not drawn yet, and one in memory that was another's before.
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 1, .padding = 0});
    rig.create(2, size);
    rig.set_scanout(0, 2, Rect::of(size));
    CHECK(rig.seen() == Bitmap(size, 0xff000000U));
}

} // namespace disclosure_test
