// SPDX-License-Identifier: Apache-2.0
// What a renderer draws, when that is to be seen, and when it is answered; and one that fails.
#include "gpu_3d_rig.hpp"
#include "kit/fake_renderer.hpp"

#include <array>
#include <chrono>
#include <sys/mman.h>
#include <unistd.h>

namespace gpu_3d_draw_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;
using kit::FakeRenderer;

namespace {

constexpr Size size{.width = 64, .height = 48};
constexpr std::uint32_t context = 5;

/// With a context, by a renderer that says what the test says.
struct DrawRig {
    explicit DrawRig(RigOptions base = {}) : rig(fake.settings(), std::move(base)) { begin(); }
    void begin() {
        const auto sent = rig.start(Rig3d::create_context(context));
        fake.accept<render::CreateContext>();
        CHECK(rig.wait(sent).type() == Response::ok_nodata);
    }
    FakeRenderer fake;
    Rig3d rig;
};

/// The same, by one that draws by itself.
struct ServedRig {
    explicit ServedRig(RigOptions base = {}) : rig(settings(), std::move(base)) {
        CHECK(rig.ask(Rig3d::create_context(context)) == Response::ok_nodata);
    }
    RendererSettings settings() {
        fake.serve();
        return fake.settings();
    }
    void create(std::uint32_t id, Size its_size = size) {
        CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, Rig3d::flat(id, its_size))) ==
              Response::ok_nodata);
    }
    void fill(std::uint32_t id, std::uint32_t colour) {
        CHECK(rig.ask(Rig3d::submit(context, {id, colour})) == Response::ok_nodata);
    }
    FakeRenderer fake;
    Rig3d rig;
};

} // namespace

TEST_CASE("gpu 3d: commands come to the renderer as they were") {
    DrawRig two;
    auto& [fake, rig] = two;
    const auto sent = rig.start(Rig3d::submit(context, {1, 2, 0xffffffff}, 7));
    const auto order = fake.take<render::Submit>();
    CHECK(order.message.context == context);
    CHECK(order.message.size == 12);
    CHECK(order.message.order.is_fenced == 1);
    std::array<std::uint32_t, 3> words{};
    REQUIRE(order.more.size() == sizeof words);
    std::memcpy(words.data(), order.more.data(), sizeof words);
    CHECK(words == std::array<std::uint32_t, 3>{1, 2, 0xffffffff});
    fake.done(order.message.order.ticket);
    CHECK(rig.wait(sent).header.fence_id == 7);

    // Many lie in a file, which counts as memory until they are carried out.
    std::vector<std::uint32_t> many(100'000);
    for (std::uint32_t i = 0; i < many.size(); ++i) {
        many[i] = i * 3;
    }
    const auto large = rig.start(Rig3d::submit(context, many));
    const auto by_file = fake.take<render::Submit>();
    CHECK(by_file.message.size == 400'000);
    CHECK(by_file.message.order.is_fenced == 0);
    CHECK(by_file.more.empty());
    CHECK(rig.device.memory_used() == 400'000);
    std::vector<std::uint32_t> read(many.size());
    CHECK(::pread(by_file.file.get(), read.data(), 400'000, 0) == 400'000);
    CHECK(read == many);
    fake.done(by_file.message.order.ticket);
    CHECK(rig.wait(large).type() == Response::ok_nodata);
    CHECK(rig.device.memory_used() == 0);

    const auto none = rig.start(Rig3d::submit(context, {}));
    fake.accept<render::Submit>();
    CHECK(rig.wait(none).type() == Response::ok_nodata);
}

TEST_CASE("gpu 3d: commands that are not there are refused") {
    DrawRig two({.limits = {.memory = 100'000}});
    auto& [fake, rig] = two;
    auto bytes = Rig3d::submit(context, {1, 2, 3});
    bytes.resize(bytes.size() - 4);
    CHECK(rig.ask(bytes) == Response::err_invalid_parameter);
    for (const std::uint32_t wrong : {2U, 13U, 0xfffffffcU, (1U << 20) + 4}) {
        auto odd = Rig3d::of_context(Command::submit_3d, context, {}, Submit3d{.size = wrong, .padding = 0});
        odd.resize(odd.size() + 16);
        CHECK(rig.ask(odd) == Response::err_invalid_parameter);
    }
    CHECK(rig.ask(Rig3d::submit(0, {1})) == Response::err_invalid_context_id);
    CHECK(rig.ask(Rig3d::submit(context + 1, {1})) == Response::err_invalid_context_id);
    CHECK(rig.ask(Rig3d::submit(context, std::vector<std::uint32_t>(30'000))) == Response::err_out_of_memory);
    CHECK(fake.is_quiet());
    CHECK(rig.errors() == 8);
}

TEST_CASE("gpu 3d: fences are answered in order, whenever the renderer is done") {
    DrawRig two;
    auto& [fake, rig] = two;
    const auto first = rig.start(Rig3d::submit(context, {1}, 1));
    const auto second = rig.start(Rig3d::submit(context, {2}, 2));
    const auto unfenced = rig.start(Rig3d::submit(context, {3}));
    const auto third = rig.start(Rig3d::fenced_request(Command::get_display_info, 3));
    const std::array tickets{fake.take<render::Submit>().message.order.ticket,
                             fake.take<render::Submit>().message.order.ticket,
                             fake.take<render::Submit>().message.order.ticket};
    fake.done(tickets[1]);
    fake.done(tickets[2]);
    CHECK(rig.wait(unfenced).type() == Response::ok_nodata);
    CHECK_FALSE(rig.is_back(first));
    CHECK_FALSE(rig.is_back(second));
    CHECK_FALSE(rig.is_back(third));
    fake.done(tickets[0]);
    CHECK(rig.wait(first).header.fence_id == 1);
    CHECK(rig.wait(second).header.fence_id == 2);
    CHECK(rig.wait(third).type() == Response::ok_display_info);
}

TEST_CASE("gpu 3d: bad news has its fence, too") {
    DrawRig two;
    auto& [fake, rig] = two;
    const auto sent = rig.start(Rig3d::submit(context, {1}, 9));
    fake.accept<render::Submit>(EINVAL);
    const auto got = rig.wait(sent);
    CHECK(got.type() == Response::err_invalid_parameter);
    CHECK(got.header.flags == flag_fence);
    CHECK(got.header.fence_id == 9);
    CHECK(rig.errors() == 1);
}

TEST_CASE("gpu 3d: a flush shows what was drawn, once it was read") {
    DrawRig two({.is_held = true});
    auto& [fake, rig] = two;
    const auto made = rig.start(Rig3d::request(Command::resource_create_3d, Rig3d::flat(1, size)));
    fake.accept<render::CreateResource>();
    CHECK(rig.wait(made).type() == Response::ok_nodata);
    rig.set_scanout(0, 1, Rect::of(size));
    const auto lent = fake.take<render::SetMemory>();
    CHECK(lent.message.memory == render::Memory::picture);
    CHECK(lent.message.order.ticket == 0);
    CHECK(rig.is_on());
    const Rect part{.x = 4, .y = 5, .width = 6, .height = 7};
    const auto flush = rig.start(Rig3d::fenced_request(Command::resource_flush, 3, Rig3d::flush_of(1, part)));
    const auto read = fake.take<render::Transfer>();
    CHECK(read.message.is_from_resource == 1);
    CHECK(read.message.memory == render::Memory::picture);
    CHECK(read.message.stride == 4 * size.width);
    CHECK(read.message.offset == 4 * (size.width * part.y + part.x));
    CHECK(read.message.box.width == part.width);
    rig.with_screen([](const HeldScreen& screen) { CHECK(screen.damages.empty()); });
    const auto picture =
        std::move(Mapping::map_shared(lent.file.get(), 0, lent.message.size, "lent").value());
    const auto drawn = encode(pattern(size, 2), Format::b8g8r8x8_unorm);
    std::ranges::copy(drawn, picture.data());
    fake.done(read.message.order.ticket);
    CHECK_FALSE(rig.is_back(flush)); // it is on its way
    rig.with_screen([&part](const HeldScreen& screen) { CHECK(screen.damages == std::vector{part}); });
    CHECK(rig.seen() == pattern(size, 2));
    rig.show(1);
    CHECK(rig.wait(flush).header.fence_id == 3);
    // Beyond the picture nothing is read.
    CHECK(rig.command(Command::resource_flush, Rig3d::flush_of(1, {.x = 60, .y = 0, .width = 5, .height = 1}))
              .type() == Response::err_invalid_parameter);
    // A resource that nobody sees neither.
    rig.set_scanout(0, 0, {});
    rig.flush(1, part);
    CHECK(fake.is_quiet());
}

TEST_CASE("gpu 3d: pictures are flipped once the next one is read") {
    ServedRig two;
    auto& [fake, rig] = two;
    two.create(1);
    two.create(2);
    two.fill(1, 0xff112233);
    two.fill(2, 0xff445566);
    rig.set_scanout(0, 1, Rect::of(size));
    rig.flush(1, Rect::of(size));
    CHECK(rig.seen() == Bitmap(size, 0xff112233));
    rig.set_scanout(0, 2, Rect::of(size));
    rig.settle();
    CHECK(rig.seen() == Bitmap(size, 0xff112233)); // the flush is to come
    // The driver may forget the last one before.
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 1, .padding = 0});
    CHECK(rig.is_on());
    CHECK(rig.seen() == Bitmap(size, 0xff112233));
    rig.flush(2, {.x = 0, .y = 0, .width = 1, .height = 1}); // all of it is another one
    CHECK(rig.seen() == Bitmap(size, 0xff445566));
    two.fill(2, 0xff000000);
    rig.flush(2, {.x = 1, .y = 0, .width = 63, .height = 48});
    Bitmap expected(size, 0xff000000);
    for (std::uint32_t y = 0; y < size.height; ++y) {
        expected.at(0, y) = 0xff445566;
    }
    CHECK(rig.seen() == expected);
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 2, .padding = 0});
    CHECK_FALSE(rig.is_on());
    CHECK(rig.device.memory_used() == 0);
}

TEST_CASE("gpu 3d: resources of two dimensions are the renderer's, too") {
    ServedRig two;
    auto& [fake, rig] = two;
    for (const auto format : all_formats) {
        const auto bitmap = pattern(size, std::to_underlying(format));
        rig.draw(9, bitmap, format);
        rig.set_scanout(0, 9, Rect::of(size));
        rig.flush(9, Rect::of(size));
        CHECK(rig.seen() == bitmap);
        rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 9, .padding = 0});
    }
    CHECK(fake.resources() == 0);
    // Blobs stay guest memory.
    const auto bitmap = pattern(size, 3);
    const auto entries = rig.scatter(encode(bitmap, Format::b8g8r8x8_unorm), {4096});
    CHECK(rig.create_blob(4, std::uint64_t{4} * size.width * size.height, entries).type() ==
          Response::ok_nodata);
    rig.expect_ok(Command::set_scanout_blob, Rig3d::blob_scanout(4, size));
    rig.flush(4, Rect::of(size));
    CHECK(rig.seen() == bitmap);
}

TEST_CASE("gpu 3d: a cursor is read from the renderer") {
    ServedRig two({.is_held = true});
    auto& [fake, rig] = two;
    constexpr Size cursor_size{.width = 64, .height = 64};
    const auto bitmap = pattern(cursor_size, 6);
    rig.draw(3, bitmap, Format::b8g8r8a8_unorm);
    const UpdateCursor update{.scanout_id = 0,
                              .x = 10,
                              .y = 20,
                              .padding = 0,
                              .resource_id = 3,
                              .hot_x = 1,
                              .hot_y = 2,
                              .padding2 = 0};
    CHECK(rig.cursor_command(Command::update_cursor, update).type() == Response::ok_nodata);
    rig.with_screen([&](const HeldScreen& screen) {
        REQUIRE(screen.cursor);
        const auto bytes = encode(bitmap, Format::b8g8r8a8_unorm);
        CHECK(std::ranges::equal(screen.cursor->pixels, bytes));
        CHECK(screen.cursor->hot_y == 2);
        CHECK(screen.position.y == 20);
    });
    two.create(4);
    auto wrong = update;
    wrong.resource_id = 4; // 64 x 48
    CHECK(rig.cursor_command(Command::update_cursor, wrong).type() == Response::err_invalid_parameter);
}

TEST_CASE("gpu 3d: a renderer that ends costs its driver a reset, and the next one has a fresh one") {
    DrawRig two;
    auto& [fake, rig] = two;
    const auto sent = rig.start(Rig3d::submit(context, {1}, 1));
    static_cast<void>(fake.take<render::Submit>());
    fake.die();
    CHECK(kit::eventually([&rig] { return rig.needs_reset(); }));
    CHECK_FALSE(rig.is_back(sent));
    CHECK(fake.connections() == 1);
    rig.restart();
    CHECK(fake.connections() == 2);
    CHECK_FALSE(rig.needs_reset());
    two.begin();
}

TEST_CASE("gpu 3d: each driver that draws has a renderer of its own") {
    DrawRig two;
    auto& [fake, rig] = two;
    rig.restart();
    CHECK(fake.connections() == 2);
    rig.restart(); // nothing was asked since
    CHECK(fake.connections() == 2);
    two.begin();
}

TEST_CASE("gpu 3d: a renderer that cannot be started again is told to the driver that wants it") {
    DrawRig two;
    auto& [fake, rig] = two;
    fake.is_away = true;
    rig.restart();
    CHECK(kit::eventually([&rig] { return rig.needs_reset(); }));
    // One that draws in two dimensions does not need it.
    rig.options.features = RigOptions{}.features;
    rig.restart();
    CHECK(rig.command(Command::get_display_info).type() == Response::ok_display_info);
    CHECK_FALSE(rig.needs_reset());
    rig.options.features = rig.options.features | virtio::FeatureSet{f_virgl};
    fake.is_away = false;
    rig.restart();
    two.begin();
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("gpu 3d: a renderer that talks nonsense is as good as none") {
    DrawRig two;
    auto& [fake, rig] = two;
    const auto expect_loss = [&](auto say) {
        static_cast<void>(rig.start(Rig3d::submit(context, {1})));
        const auto ticket = fake.take<render::Submit>().message.order.ticket;
        say(ticket);
        CHECK(kit::eventually([&rig] { return rig.needs_reset(); }));
        rig.restart();
        two.begin();
    };
    expect_loss([&](std::uint32_t ticket) { fake.done(ticket + 1); });
    expect_loss([&](std::uint32_t) { fake.done(0); });
    expect_loss([&](std::uint32_t ticket) {
        fake.done(ticket);
        fake.done(ticket); // once more
    });
    expect_loss([&](std::uint32_t) { fake.say(render::Ready{.capsets = 2, .name = {}}); });
    expect_loss([&](std::uint32_t) { fake.say(render::Hello{.version = 1, .name = {}}); });
    expect_loss(
        [&](std::uint32_t ticket) { fake.say(render::DestroyContext{.order = {ticket, 0}, .context = 1}); });
}

TEST_CASE("gpu 3d: a renderer that hangs is given up") {
    using std::chrono::milliseconds;
    FakeRenderer fake;
    auto settings = fake.settings();
    settings.answer_limit = milliseconds(600);
    settings.start_limit = milliseconds(600);
    Rig3d rig(settings);
    // Nothing is asked of it for longer than that.
    std::this_thread::sleep_for(milliseconds(700));
    CHECK_FALSE(rig.needs_reset());
    static_cast<void>(rig.start(Rig3d::create_context(context)));
    CHECK(kit::eventually([&rig] { return rig.needs_reset(); }));
    fake.is_mute = true;
    rig.restart();
    CHECK(kit::eventually([&rig] { return rig.needs_reset(); }));
    fake.is_mute = false;
    rig.restart();
    rig.settle();
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("gpu 3d: a renderer that is not ready in time, or nothing of the kind, is an error") {
    const auto reactor = *Reactor::start({.name = "test", .cpus = {}, .on_crash = {}});
    FakeRenderer fake;
    auto settings = fake.settings();
    settings.start_limit = std::chrono::milliseconds(30);
    const auto open = [&] {
        const auto opened = Renderer::open(*reactor, settings);
        REQUIRE_FALSE(opened);
        return opened.error().message;
    };
    fake.is_mute = true;
    CHECK(open() == "hvisor-gpu-render was not ready after 30ms");
    settings.start_limit = kit::patience;
    fake.is_away = true;
    CHECK(open() == "gpu-render: Connection refused");
    fake.is_away = false;
    const auto open_after = [&](const auto& message) {
        auto inner = fake.settings();
        settings.connect = [inner, &fake, &message] {
            auto socket = inner.connect();
            fake.say(message);
            return socket;
        };
        return open();
    };
    const std::string nonsense = "hvisor-gpu-render says what is no message of its own";
    CHECK(open_after(render::Ready{.capsets = 0, .name = {}}) == nonsense);
    CHECK(open_after(render::Ready{.capsets = 3, .name = {}}) == nonsense);
    CHECK(open_after(render::CapsetBytes{.id = 1, .version = 1, .size = 0, .bytes = {}}) == nonsense);
    CHECK(open_after(render::CapsetBytes{.id = 1, .version = 1, .size = 5000, .bytes = {}}) == nonsense);
    CHECK(open_after(render::Done{.ticket = 1, .error = 0}) == nonsense);
    CHECK(open_after(render::Trouble{.text = text_of<FixedText<256>>("no driver\nhere")}) ==
          "no driver?here");
    const auto missing = connect_renderer("/nowhere/gpu-render");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message ==
          "/nowhere/gpu-render: No such file or directory; is hvisor-gpu-render installed, and "
          "hvisor-gpu-render.socket active?");
}

TEST_CASE("gpu 3d: a renderer that reads late gets all of it") {
    DrawRig two;
    auto& [fake, rig] = two;
    // More than a socket holds.
    const std::vector<std::uint32_t> words(4000, 1);
    std::vector<GpuRig::Sent> sent;
    for (int i = 0; i < 25; ++i) {
        sent.push_back(rig.start(Rig3d::submit(context, words, static_cast<std::uint64_t>(i + 1))));
    }
    rig.settle();
    for (int i = 0; i < 25; ++i) {
        CHECK(fake.accept<render::Submit>().more.size() == 16'000);
    }
    for (const auto& one : sent) {
        CHECK(rig.wait(one).type() == Response::ok_nodata);
    }
}

} // namespace gpu_3d_draw_test
