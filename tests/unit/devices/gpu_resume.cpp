// SPDX-License-Identifier: Apache-2.0
// Another object, and so another process, goes on where a GPU device was.
#include "devices/gpu/state.hpp"
#include "gpu_3d_rig.hpp"
#include "gpu_rig.hpp"
#include "kit/fake_renderer.hpp"
#include "kit/successor.hpp"

namespace gpu_resume_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size size{.width = 64, .height = 48};
constexpr Size small{.width = 40, .height = 30};

GpuState& state_of(const StateMemory& memory) {
    constexpr auto type = (sizeof(virtio::DeviceRecord) + 63) / 64 * 64;
    return *reinterpret_cast<GpuState*>(memory.bytes().data() + type);
}

/// Those that count.
auto& records_of(const StateMemory& memory) {
    auto& journal = state_of(memory).journal;
    return journal.areas.at(journal.end.get() & JournalState::area_bit).records;
}

/// The next process, with screens of its own; another one can follow it. The driver's side is the rig's.
struct NextGpu : kit::Successor<GpuDevice> {
    using Got = GpuRig::Got;

    explicit NextGpu(GpuRig& its_rig) : NextGpu(its_rig, its_rig) {}
    NextGpu(GpuRig& its_rig, NextGpu& before) : NextGpu(its_rig, before.as_rig()) {}

    template <class... Parts>
    Got command(Command type, const Parts&... parts) {
        return send(GpuRig::request(type, parts...));
    }
    Got send(const std::vector<std::byte>& bytes, std::size_t queue = control_queue) {
        const auto sent = rig.start(bytes, GpuRig::default_room, queue);
        driver.kick(static_cast<std::uint32_t>(queue));
        return rig.wait(sent);
    }
    Bitmap seen(std::size_t scanout = 0, bool with_cursor = false) {
        const auto shot = device.take_screenshot(scanout, with_cursor);
        REQUIRE(shot);
        return decode(*shot);
    }
    [[nodiscard]] bool is_on(std::size_t scanout = 0) { return device.scanouts().at(scanout).is_on; }
    [[nodiscard]] bool needs_reset() const {
        return (driver.get(virtio::Register::status) & virtio::status::needs_reset) != 0;
    }
    Response create(std::uint32_t id) {
        return command(Command::resource_create_2d,
                       ResourceCreate2d{.resource_id = id, .format = 1, .width = 8, .height = 8})
            .type();
    }
    Response of_resource(Command type, std::uint32_t id) {
        return command(type, ResourceOnly{.resource_id = id, .padding = 0}).type();
    }
    /// A driver that was told to begins again.
    void begin_again() {
        driver.reset();
        REQUIRE(kit::eventually([&] { return driver.get(virtio::Register::status) == 0; }));
        rig.control.reset();
        rig.cursor.reset();
        REQUIRE(driver.negotiate(rig.options.features));
        REQUIRE(driver.set_up_queue(control_queue, rig.control));
        REQUIRE(driver.set_up_queue(cursor_queue, rig.cursor));
        driver.start();
        rig.settle();
    }

    GpuRig& rig;

  private:
    /// What a Successor needs of the one before it.
    struct Before {
        virtio::DeviceContext context() {
            auto context = rig.context();
            context.state = state;
            return context;
        }
        void settle() const { rig.settle(); }
        GpuRig& rig;
        std::shared_ptr<const StateMemory> state;
        GpuDevice& device;
        kit::Ram& ram = rig.ram;
        Reactor* reactor = rig.reactor.get();
    };
    Before as_rig() { return {.rig = rig, .state = device.context().state, .device = device}; }

    template <class Rig>
    NextGpu(GpuRig& its_rig, Rig&& before)
        : Successor(before, GpuRig::make_screens(*its_rig.reactor, its_rig.options), its_rig.options.limits,
                    GpuRig::make_renderer(*its_rig.reactor, its_rig.options.renderer)),
          rig(its_rig) {}
};

UpdateCursor cursor_at(std::uint32_t x, std::uint32_t y, std::uint32_t id, std::uint32_t scanout = 0) {
    return {.scanout_id = scanout,
            .x = x,
            .y = y,
            .padding = 0,
            .resource_id = id,
            .hot_x = 3,
            .hot_y = 4,
            .padding2 = 0};
}

} // namespace

TEST_CASE("gpu: the next process shows what was to be seen, and has what the driver has") {
    GpuRig rig({.screens = {size, small}});
    const auto picture = pattern(size, 1);
    rig.draw(1, picture, Format::r8g8b8a8_unorm);
    rig.set_scanout(0, 1, {.x = 8, .y = 4, .width = 40, .height = 30});
    const auto blob = pattern(small, 2);
    const auto blob_bytes = encode(blob, Format::b8g8r8x8_unorm);
    CHECK(rig.create_blob(2, blob_bytes.size(), rig.scatter(blob_bytes, {1000, 3})).type() ==
          Response::ok_nodata);
    auto show_blob = GpuRig::blob_scanout(2, small);
    show_blob.scanout_id = 1;
    rig.expect_ok(Command::set_scanout_blob, show_blob);
    rig.draw(3, pattern({.width = 64, .height = 64}, 3), Format::b8g8r8a8_unorm);
    CHECK(rig.cursor_command(Command::update_cursor, cursor_at(1, 2, 3)).type() == Response::ok_nodata);
    CHECK(rig.cursor_command(Command::move_cursor, cursor_at(5, UINT32_MAX, 0)).type() ==
          Response::ok_nodata);
    // Its image is the device's own from then on.
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 3, .padding = 0});
    rig.create(4, size);
    rig.attach(4, rig.scatter(std::vector<std::byte>(100), {100}));
    rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = 4, .padding = 0});
    rig.create(5, size);
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 5, .padding = 0});
    const auto uuid = rig.command(Command::resource_assign_uuid, ResourceOnly{.resource_id = 1, .padding = 0})
                          .body<ResourceUuid>();
    const auto seen = rig.seen(0, true);
    const auto used = rig.device.memory_used();
    CHECK(rig.seen(1) == blob);

    // And one after that, which has nothing but what the first one has left.
    NextGpu first(rig);
    CHECK(first.seen(0, true) == seen);
    NextGpu next(rig, first);
    CHECK_FALSE(next.needs_reset());
    CHECK(next.seen(0, true) == seen);
    CHECK(next.seen(0) == picture.part({.x = 8, .y = 4, .width = 40, .height = 30}));
    CHECK(next.seen(1) == blob);
    CHECK(next.device.memory_used() == used);
    CHECK(next.command(Command::resource_assign_uuid, ResourceOnly{.resource_id = 1, .padding = 0})
              .body<ResourceUuid>()
              .uuid == uuid.uuid);
    CHECK(next.of_resource(Command::resource_detach_backing, 4) == Response::err_unspec);
    CHECK(next.create(4) == Response::err_invalid_resource_id);
    CHECK(next.create(5) == Response::ok_nodata);
    CHECK(next.create(3) == Response::ok_nodata);
    // A display may have come or gone: the driver looks.
    CHECK(next.driver.config<std::uint32_t>(offsetof(Config, events_read)) == event_display);
    CHECK(next.driver.config<std::uint32_t>(offsetof(Config, num_scanouts)) == 2);
    CHECK((next.driver.get(virtio::Register::interrupt_status) & virtio::interrupt_config_change) != 0);
    // It goes on from there: what is gone is not seen.
    CHECK(next.of_resource(Command::resource_unref, 1) == Response::ok_nodata);
    CHECK_FALSE(next.is_on(0));
    CHECK(next.of_resource(Command::resource_detach_backing, 2) == Response::ok_nodata);
    CHECK_FALSE(next.is_on(1));
    NextGpu last(rig, next);
    CHECK_FALSE(last.needs_reset());
    CHECK_FALSE(last.is_on(0));
    CHECK_FALSE(last.is_on(1));
    CHECK(last.create(1) == Response::ok_nodata);
    CHECK(last.create(2) == Response::err_invalid_resource_id);
}

TEST_CASE("gpu: what a driver draws after the restart is seen, and a reset forgets it all") {
    GpuRig rig({.screens = {size}});
    rig.create(1, size);
    const auto entries = rig.scatter(encode(pattern(size, 1), Format::b8g8r8x8_unorm), {4096});
    rig.attach(1, entries);
    rig.set_scanout(0, 1, Rect::of(size));
    rig.draw(2, Bitmap({.width = 64, .height = 64}, 0xffff0000), Format::b8g8r8a8_unorm);
    rig.cursor_command(Command::update_cursor, cursor_at(0, 0, 2));
    NextGpu next(rig);
    const auto other = encode(pattern(size, 9), Format::b8g8r8x8_unorm);
    for (std::size_t i = 0, at = 0; i < entries.size(); at += entries[i++].length) {
        rig.ram.write(entries[i].addr, std::span(other).subspan(at, entries[i].length));
    }
    CHECK(next.command(Command::transfer_to_host_2d,
                       TransferToHost2d{
                           .r = to_guest(Rect::of(size)), .offset = 0, .resource_id = 1, .padding = 0})
              .type() == Response::ok_nodata);
    CHECK(next.command(Command::resource_flush, GpuRig::flush_of(1, Rect::of(size))).type() ==
          Response::ok_nodata);
    CHECK(next.seen() == pattern(size, 9));
    CHECK(next.seen(0, true) != next.seen());
    next.begin_again();
    CHECK_FALSE(next.is_on());
    CHECK(next.device.memory_used() == 0);
    NextGpu last(rig, next);
    CHECK_FALSE(last.needs_reset());
    CHECK_FALSE(last.is_on());
    CHECK(last.create(1) == Response::ok_nodata);
}

TEST_CASE("gpu: a command that was carried out and not answered is answered, and not carried out again") {
    // Before the process could note it, or after.
    for (const bool was_noted : {true, false}) {
        GpuRig rig({.screens = {size}, .is_held = true});
        rig.draw(1, pattern(size, 1));
        rig.set_scanout(0, 1, Rect::of(size));
        const auto before = state_of(*rig.state).journal.end.get();
        const auto fenced = [&](std::uint64_t fence, Command type, const auto& body) {
            return rig.start(GpuRig::fenced_request(type, fence, body));
        };
        std::vector<GpuRig::Sent> sent;
        sent.push_back(fenced(1, Command::resource_flush, GpuRig::flush_of(1, Rect::of(size))));
        sent.push_back(fenced(2, Command::resource_create_2d,
                              ResourceCreate2d{.resource_id = 7, .format = 1, .width = 8, .height = 8}));
        sent.push_back(
            fenced(3, Command::resource_assign_uuid, ResourceOnly{.resource_id = 7, .padding = 0}));
        sent.push_back(fenced(4, Command::transfer_to_host_2d,
                              TransferToHost2d{.r = {}, .offset = 0, .resource_id = 1, .padding = 0}));
        sent.push_back(fenced(5, Command::resource_unref, ResourceOnly{.resource_id = 7, .padding = 0}));
        sent.push_back(fenced(6, Command::resource_create_2d,
                              ResourceCreate2d{.resource_id = 8, .format = 1, .width = 8, .height = 8}));
        // All wait for the frame of the first one.
        for (const auto& one : sent) {
            CHECK_FALSE(rig.is_back(one));
        }
        if (!was_noted) {
            state_of(*rig.state).journal.end.set(before);
        }
        NextGpu next(rig);
        CHECK_FALSE(next.needs_reset());
        CHECK_FALSE(rig.control.has_used());
        // The flush was carried out again: its frame is the new screen's first.
        rig.with_screen([](HeldScreen& screen) { CHECK(screen.presented == 1); }, 1);
        rig.show(1, 1);
        for (const auto& one : sent) {
            const auto got = rig.wait(one);
            CHECK((got.type() == Response::ok_nodata || got.type() == Response::ok_resource_uuid));
            CHECK(got.header.fence_id == 1U + static_cast<std::uint64_t>(&one - sent.data()));
        }
        CHECK_FALSE(rig.control.has_used());
        CHECK(next.create(7) == Response::ok_nodata);
        CHECK(next.create(8) == Response::err_invalid_resource_id);
    }
}

TEST_CASE("gpu: page flips without end leave the latest picture to the next process") {
    GpuRig rig({.screens = {size}, .limits = {.journal = 2048}});
    rig.draw(1, pattern(size, 1));
    rig.draw(2, pattern(size, 2));
    for (std::uint32_t i = 0; i <= 400; ++i) {
        rig.set_scanout(0, 1 + i % 2, Rect::of(size));
        rig.flush(1 + i % 2, Rect::of(size));
    }
    NextGpu next(rig);
    CHECK_FALSE(next.needs_reset());
    CHECK(next.seen() == pattern(size, 1));
}

TEST_CASE("gpu: a driver that has more than can be remembered works, and needs a reset after a restart") {
    GpuRig rig({.screens = {size}, .limits = {.journal = 1024}});
    const auto picture = pattern(size, 1);
    rig.create(1, size);
    rig.attach(1, rig.scatter(encode(picture, Format::b8g8r8x8_unorm), {64}));
    rig.transfer(1, Rect::of(size), 0);
    rig.set_scanout(0, 1, Rect::of(size));
    CHECK(rig.seen() == picture);
    NextGpu next(rig);
    CHECK(kit::eventually([&] { return next.needs_reset(); }));
    CHECK((next.driver.get(virtio::Register::interrupt_status) & virtio::interrupt_config_change) != 0);
    CHECK_FALSE(next.is_on());
    // As long as it does not, every process says so.
    NextGpu other(rig, next);
    CHECK(other.needs_reset());
    other.begin_again();
    CHECK(other.create(3) == Response::ok_nodata);
    NextGpu last(rig, other);
    CHECK_FALSE(last.needs_reset());
    CHECK(last.create(3) == Response::err_invalid_resource_id);
}

TEST_CASE("gpu: commands that make no sense any more need a reset, and are not half there") {
    for (const std::size_t spoiled : {0U, 40U, 48U, 60U}) {
        GpuRig rig({.screens = {size}});
        rig.draw(1, pattern(size, 1));
        rig.set_scanout(0, 1, Rect::of(size));
        auto& records = records_of(*rig.state);
        // 40: a create command, and then one that names pieces of memory.
        for (std::size_t i = 0; i < 8; ++i) {
            records.at(spoiled + i) = std::byte{0xa5};
        }
        NextGpu next(rig);
        CHECK(kit::eventually([&] { return next.needs_reset(); }));
        CHECK_FALSE(next.is_on());
        CHECK(next.device.memory_used() == 0);
        next.begin_again();
        CHECK(next.create(1) == Response::ok_nodata);
    }
}

TEST_CASE("gpu: memory that the zone has no more makes a command of another process be refused") {
    GpuRig rig({.screens = {size}});
    rig.draw(1, pattern(size, 1));
    auto& records = records_of(*rig.state);
    // The address of the first piece: behind the create command, its own head and structure.
    for (std::size_t i = 0; i < 8; ++i) {
        records.at(40 + 24 + sizeof(AttachBacking) + i) = std::byte{0x7f};
    }
    NextGpu next(rig);
    CHECK(kit::eventually([&] { return next.needs_reset(); }));
    CHECK(next.device.memory_used() == 0);
}

TEST_CASE("gpu: a cursor that cannot be is none") {
    GpuRig rig({.screens = {size}});
    rig.draw(1, pattern(size, 1));
    rig.set_scanout(0, 1, Rect::of(size));
    rig.draw(2, Bitmap({.width = 64, .height = 64}, 0xffff0000), Format::b8g8r8a8_unorm);
    rig.cursor_command(Command::update_cursor, cursor_at(0, 0, 2));
    SECTION("of a number that is not there") {
        state_of(*rig.state).scanouts[0].cursor.set(3);
    }
    SECTION("with a hot spot outside") {
        for (auto& cursor : state_of(*rig.state).cursors[0].cursors) {
            cursor.back() = std::byte{0xff};
        }
    }
    NextGpu next(rig);
    CHECK_FALSE(next.needs_reset());
    CHECK(next.seen(0, true) == next.seen());
}

TEST_CASE("gpu: a screen that cannot show it any more is off, and the driver is not begun anew") {
    GpuRig rig({.screens = {size}, .is_held = true});
    rig.draw(1, pattern(size, 1));
    rig.set_scanout(0, 1, Rect::of(size));
    auto screens = GpuRig::make_screens(*rig.reactor, rig.options);
    rig.options.held->at(1)->is_broken = true;
    kit::Successor<GpuDevice> next(rig, std::move(screens));
    CHECK((next.driver.get(virtio::Register::status) & virtio::status::needs_reset) == 0);
    CHECK_FALSE(next.device.scanouts().front().is_on);
    // It tries once more with its next picture.
    rig.with_screen([](HeldScreen& screen) { screen.is_broken = false; }, 1);
    const auto sent = rig.start(GpuRig::request(
        Command::set_scanout, SetScanout{.r = to_guest(Rect::of(size)), .scanout_id = 0, .resource_id = 1}));
    next.driver.kick(control_queue);
    CHECK(rig.wait(sent).type() == Response::ok_nodata);
    CHECK(next.device.scanouts().front().is_on);
}

TEST_CASE("gpu: a size that somebody has asked for stays") {
    GpuRig rig({.screens = {size, small}});
    REQUIRE(rig.device.resize(0, {.width = 320, .height = 200}));
    rig.settle();
    NextGpu next(rig);
    CHECK(
        kit::eventually([&] { return next.device.scanouts()[0].size == Size{.width = 320, .height = 200}; }));
    CHECK(next.device.scanouts()[1].size == small);
}

TEST_CASE("gpu: what another process showed goes from a display that shows nothing any more") {
    GpuRig rig({.screens = {size, size}, .is_held = true});
    rig.draw(1, pattern(size, 1));
    rig.set_scanout(1, 1, Rect::of(size));
    NextGpu next(rig);
    CHECK(kit::eventually([&] { return next.is_on(1); }));
    rig.settle();
    const auto& screens = *rig.options.held;
    REQUIRE(screens.size() == 4);
    CHECK(screens[2]->turned_off == 1);
    CHECK(screens[3]->turned_off == 0);
}

TEST_CASE("gpu: a driver of three dimensions needs a reset") {
    kit::FakeRenderer renderer;
    renderer.serve();
    Rig3d rig(renderer.settings(), {.screens = {size}});
    // One that lives, too: it has none of what the first one has.
    kit::FakeRenderer other;
    other.serve();
    rig.options.renderer = other.settings();
    NextGpu next(rig);
    CHECK(kit::eventually([&] { return next.needs_reset(); }));
    CHECK_FALSE(next.is_on());
}

TEST_CASE("gpu: a device that no driver runs needs no reset when it goes on") {
    GpuRig rig;
    rig.driver.reset();
    NextGpu next(rig);
    CHECK(next.driver.get(virtio::Register::status) == 0);
}

} // namespace gpu_resume_test
