// SPDX-License-Identifier: Apache-2.0
// A GPU device with hvisor-gpu-render itself, which draws with Mesa.
#include "virgl_rig.hpp"

#include <bit>
#include <catch2/catch_session.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <exception>
#include <print>

namespace virgl_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size size{.width = 64, .height = 48};

/// Numbers of virgl's protocol (virgl_protocol.h): a command with its object and the
/// count of words that follow.
constexpr std::uint32_t command(std::uint32_t what, std::uint32_t of, std::uint32_t words) {
    return what | of << 8U | words << 16U;
}
constexpr std::uint32_t create_object = 1;
constexpr std::uint32_t set_framebuffer_state = 5;
constexpr std::uint32_t clear = 7;
constexpr std::uint32_t object_surface = 8;

/// Fill a resource by drawing: make a surface of it, draw to that, and clear it.
std::vector<std::uint32_t> clear_to(std::uint32_t resource, std::uint32_t surface, float red, float green,
                                    float blue) {
    constexpr std::uint32_t color_buffer_0 = 4;
    return {command(create_object, object_surface, 5),
            surface,
            resource,
            std::to_underlying(Format::b8g8r8x8_unorm),
            0, // level
            0, // first and last layer
            command(set_framebuffer_state, 0, 3),
            1, // buffer
            0, // without depth
            surface,
            command(clear, 0, 8),
            color_buffer_0,
            std::bit_cast<std::uint32_t>(red),
            std::bit_cast<std::uint32_t>(green),
            std::bit_cast<std::uint32_t>(blue),
            std::bit_cast<std::uint32_t>(1.0F),
            0,
            0, // depth
            0};
}

/// A drawing context with a picture that it draws to, and guest memory behind that.
std::vector<MemoryEntry> begin(Rig3d& rig, std::uint32_t resource) {
    const auto entries =
        rig.scatter(std::vector<std::byte>(std::size_t{4} * size.width * size.height), {1000});
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, Rig3d::flat(resource, size))) ==
          Response::ok_nodata);
    rig.attach(resource, entries);
    CHECK(rig.ask(Rig3d::of_context(Command::ctx_attach_resource, context, {},
                                    ResourceOnly{.resource_id = resource, .padding = 0})) ==
          Response::ok_nodata);
    return entries;
}

/// Whether there is anything to draw with.
bool can_draw() {
    const RealRenderer real;
    const auto reactor = *Reactor::start({.name = "probe", .cpus = {}, .on_crash = {}});
    const auto renderer = Renderer::open(*reactor, real.settings());
    if (!renderer) {
        std::println("skipped: {}", renderer.error().message);
    }
    return renderer.has_value();
}

} // namespace

TEST_CASE("virgl: the device says what draws, and what a driver may use") {
    RealRig real;
    auto& rig = real.rig;
    CHECK(rig.device.renderer_name().starts_with("virgl ("));
    const auto info = rig.command(Command::get_capset_info, GetCapsetInfo{.capset_index = 1, .padding = 0});
    REQUIRE(info.type() == Response::ok_capset_info);
    const auto second = info.body<CapsetInfo>();
    CHECK(second.capset_id == 2);
    const auto got =
        rig.send(Rig3d::request(Command::get_capset, GetCapset{.capset_id = 2, .capset_version = 1}), 4096);
    REQUIRE(got.type() == Response::ok_capset);
    CHECK(got.length == sizeof(Header) + second.capset_max_size);
    // Transfers inside of commands would need the guest's memory, and mapped buffers some of the
    // renderer's.
    std::uint32_t bits = 0;
    std::memcpy(&bits, got.bytes.data() + sizeof(Header) + 392, sizeof bits);
    CHECK((bits & (1U << 17U | 1U << 26U | 1U << 31U)) == 0);
    CHECK((bits & 1U << 1U) != 0); // texture views, which all have: it is the right word
}

TEST_CASE("virgl: what is cleared is to be seen, and comes to the guest") {
    RealRig real;
    auto& rig = real.rig;
    REQUIRE(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    const auto entries = begin(rig, 7);
    const auto drawn = rig.send(Rig3d::submit(context, clear_to(7, 1, 1, 0.5F, 0), 99));
    CHECK(drawn.type() == Response::ok_nodata);
    CHECK(drawn.header.fence_id == 99);

    rig.set_scanout(0, 7, Rect::of(size));
    rig.flush(7, Rect::of(size));
    const auto seen = rig.seen();
    CHECK((seen == Bitmap(size, 0xffff8000) || seen == Bitmap(size, 0xffff7f00)));

    CHECK(rig.ask(Rig3d::of_context(Command::transfer_from_host_3d, context, 100,
                                    Rig3d::part_of(7, Rect::of(size), 0))) == Response::ok_nodata);
    const auto bytes = rig.look(entries);
    REQUIRE(bytes.size() == 4U * size.width * size.height);
    CHECK(bytes[0] == std::byte{0});
    CHECK((bytes[1] == std::byte{0x80} || bytes[1] == std::byte{0x7f}));
    CHECK(bytes[2] == std::byte{0xff});

    // The next picture on the same screen, and only a part of it.
    CHECK(rig.ask(Rig3d::submit(context, clear_to(7, 2, 0, 0, 1))) == Response::ok_nodata);
    rig.flush(7, {.x = 8, .y = 8, .width = 4, .height = 4});
    Bitmap mixed = seen;
    mixed.put({.x = 8, .y = 8, .width = 4, .height = 4}, Bitmap(size, 0xff0000ff));
    CHECK(rig.seen() == mixed);
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("virgl: a picture that is transferred is the right way up") {
    RealRig real;
    auto& rig = real.rig;
    const auto bitmap = pattern(size, 4);
    for (const auto format : {Format::b8g8r8x8_unorm, Format::b8g8r8a8_unorm}) {
        // As Linux's text console, and as its clients.
        rig.draw(1, bitmap, format);
        rig.set_scanout(0, 1, Rect::of(size));
        rig.flush(1, Rect::of(size));
        CHECK(rig.seen() == bitmap);
        const Rect part{.x = 5, .y = 9, .width = 20, .height = 11};
        rig.set_scanout(0, 1, part);
        rig.flush(1, part);
        CHECK(rig.seen() == bitmap.part(part));
        rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 1, .padding = 0});
    }
}

TEST_CASE("virgl: a part of a texture comes from guest memory and goes back") {
    RealRig real;
    auto& rig = real.rig;
    REQUIRE(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    const auto entries = begin(rig, 3);
    const auto bitmap = pattern(size, 5);
    const auto bytes = encode(bitmap, Format::b8g8r8x8_unorm);
    std::size_t done = 0;
    for (const auto& entry : entries) {
        rig.ram.write(entry.addr, std::span(bytes).subspan(done, entry.length));
        done += entry.length;
    }
    const Rect part{.x = 3, .y = 10, .width = 17, .height = 9};
    const auto offset = std::uint64_t{4} * (size.width * part.y + part.x);
    CHECK(rig.ask(Rig3d::of_context(Command::transfer_to_host_3d, context, {},
                                    Rig3d::part_of(3, part, offset))) == Response::ok_nodata);
    for (const auto& entry : entries) {
        rig.ram.write(entry.addr, std::vector<std::byte>(entry.length));
    }
    CHECK(rig.ask(Rig3d::of_context(Command::transfer_from_host_3d, context, 1,
                                    Rig3d::part_of(3, part, offset))) == Response::ok_nodata);
    Bitmap expected(size);
    expected.put(part, bitmap, part);
    const auto back = rig.look(entries);
    Bitmap got(size);
    for (std::size_t i = 0; i < got.pixels.size(); ++i) {
        std::memcpy(&got.pixels[i], back.data() + 4 * i, 4);
        got.pixels[i] |= got.pixels[i] != 0 ? 0xff000000 : 0;
    }
    for (auto& pixel : expected.pixels) {
        pixel |= pixel != 0 ? 0xff000000 : 0;
    }
    CHECK(got == expected);
}

TEST_CASE("virgl: a buffer comes back as it went") {
    RealRig real;
    auto& rig = real.rig;
    REQUIRE(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    std::vector<std::byte> bytes(5000);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(i * 7);
    }
    const auto entries = rig.scatter(bytes, {777});
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, Rig3d::buffer(4, 5000))) ==
          Response::ok_nodata);
    rig.attach(4, entries);
    CHECK(rig.ask(Rig3d::of_context(Command::ctx_attach_resource, context, {},
                                    ResourceOnly{.resource_id = 4, .padding = 0})) == Response::ok_nodata);
    const auto all = Rig3d::part_of(4, {.x = 0, .y = 0, .width = 5000, .height = 1}, 0);
    CHECK(rig.ask(Rig3d::of_context(Command::transfer_to_host_3d, context, {}, all)) == Response::ok_nodata);
    for (const auto& entry : entries) {
        rig.ram.write(entry.addr, std::vector<std::byte>(entry.length));
    }
    CHECK(rig.ask(Rig3d::of_context(Command::transfer_from_host_3d, context, 2, all)) == Response::ok_nodata);
    CHECK(rig.look(entries) == bytes);
}

TEST_CASE("virgl: what cannot be is refused, and the rest goes on") {
    RealRig real;
    auto& rig = real.rig;
    REQUIRE(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    // Words that are no commands.
    CHECK(rig.ask(Rig3d::submit(context, {0xdeadbeef, 1, 2, 3})) != Response::ok_nodata);
    auto impossible = Rig3d::flat(9, size);
    impossible.format = 300; // ASTC is nothing that is drawn to
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, impossible)) != Response::ok_nodata);
    CHECK_FALSE(rig.needs_reset());
    CHECK(rig.ask(Rig3d::create_context(2)) == Response::ok_nodata);
}

TEST_CASE("virgl: after a reset a fresh process draws") {
    RealRig real;
    auto& rig = real.rig;
    for (int i = 0; i < 2; ++i) {
        REQUIRE(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
        begin(rig, 7);
        CHECK(rig.ask(Rig3d::submit(context, clear_to(7, 1, 0, 1, 0), 5)) == Response::ok_nodata);
        rig.set_scanout(0, 7, Rect::of(size));
        rig.flush(7, Rect::of(size));
        CHECK(rig.seen() == Bitmap(size, 0xff00ff00));
        rig.restart();
        CHECK(rig.device.memory_used() == 0);
    }
}

TEST_CASE("virgl: a process that is killed costs its driver a reset and nobody else anything") {
    RealRig real;
    auto& rig = real.rig;
    REQUIRE(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    real.renderer.process().kill();
    CHECK(kit::eventually([&] { return rig.needs_reset(); }));
    real.renderer.process().start();
    rig.restart();
    CHECK(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    CHECK_FALSE(rig.needs_reset());
}

} // namespace virgl_test

int main(int argc, char** argv) {
    constexpr int skipped = 77; // as meson has it
    try {
        return virgl_test::can_draw() ? Catch::Session().run(argc, argv) : skipped;
    } catch (const std::exception& error) {
        static_cast<void>(std::fprintf(stderr, "%s\n", error.what()));
        return 1;
    }
}
