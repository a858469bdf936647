// SPDX-License-Identifier: Apache-2.0
// Commands of three dimensions, with a renderer that does as it is told.
#include "gpu_3d_rig.hpp"
#include "kit/fake_renderer.hpp"

#include <sys/mman.h>

namespace gpu_3d_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;
using kit::FakeRenderer;

namespace {

constexpr Size size{.width = 64, .height = 48};
constexpr std::uint32_t context = 5;
constexpr std::uint64_t bytes_of_picture = 64 * 48 * 4;

struct FakeRig {
    explicit FakeRig(RigOptions base = {}) : rig(fake.settings(), std::move(base)) {}

    /// A context, by a renderer that says yes.
    void begin() {
        const auto sent = rig.start(Rig3d::create_context(context));
        fake.accept<render::CreateContext>();
        CHECK(rig.wait(sent).type() == Response::ok_nodata);
    }
    void create(const ResourceCreate3d& shape) {
        const auto sent = rig.start(Rig3d::request(Command::resource_create_3d, shape));
        fake.accept<render::CreateResource>();
        CHECK(rig.wait(sent).type() == Response::ok_nodata);
    }
    /// Guest memory behind it; what the renderer gets in place of it.
    Mapping attach(std::uint32_t id, const std::vector<MemoryEntry>& entries) {
        const auto sent = rig.start(Rig3d::request(
            Command::resource_attach_backing,
            AttachBacking{.resource_id = id, .nr_entries = static_cast<std::uint32_t>(entries.size())},
            entries));
        const auto order = fake.accept<render::SetMemory>();
        CHECK(order.message.memory == render::Memory::backing);
        CHECK(rig.wait(sent).type() == Response::ok_nodata);
        return std::move(Mapping::map_shared(order.file.get(), 0, order.message.size, "lent").value());
    }

    FakeRenderer fake;
    Rig3d rig;
};

std::vector<std::byte> counted(std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) {
        bytes[i] = static_cast<std::byte>(i * 13 + i / 256);
    }
    return bytes;
}

std::span<std::byte> bytes_of(const Mapping& mapping) {
    return {mapping.data(), mapping.size()};
}

} // namespace

TEST_CASE("gpu 3d: without a renderer nothing is offered") {
    GpuRig rig;
    CHECK_FALSE(rig.driver.offered().has(f_virgl));
    CHECK(rig.device.renderer_name().empty());
    CHECK(rig.command(Command::get_capset_info, GetCapsetInfo{.capset_index = 0, .padding = 0}).type() ==
          Response::err_invalid_parameter);
    CHECK(rig.send(Rig3d::create_context(context)).type() == Response::err_unspec);
}

TEST_CASE("gpu 3d: a driver that does not negotiate it gets two dimensions") {
    FakeRenderer fake;
    GpuRig rig({.renderer = fake.settings()});
    CHECK(rig.driver.offered().has(f_virgl));
    CHECK(rig.send(Rig3d::create_context(context)).type() == Response::err_unspec);
    const auto bitmap = pattern(size, 1);
    rig.draw(1, bitmap);
    rig.set_scanout(0, 1, Rect::of(size));
    rig.flush(1, Rect::of(size));
    CHECK(rig.seen() == bitmap);
    // What it does not use may end.
    fake.die();
    rig.settle();
    CHECK_FALSE(rig.needs_reset());
}

TEST_CASE("gpu 3d: capability sets are the renderer's") {
    FakeRig two;
    auto& rig = two.rig;
    CHECK(rig.device.renderer_name() == "virgl (fake)");
    std::array<std::uint32_t, 4> config{};
    rig.device.read_config(0, std::as_writable_bytes(std::span(config)));
    CHECK(config[3] == 2);
    for (std::uint32_t i = 0; i < 2; ++i) {
        const auto info =
            rig.command(Command::get_capset_info, GetCapsetInfo{.capset_index = i, .padding = 0})
                .body<CapsetInfo>();
        CHECK(info.capset_id == i + 1);
        CHECK(info.capset_max_version == i + 1);
        const auto capset = FakeRenderer::capset(i + 1);
        CHECK(info.capset_max_size == capset.size());
        const auto got = rig.send(
            Rig3d::request(Command::get_capset, GetCapset{.capset_id = i + 1, .capset_version = i + 1}),
            4096);
        REQUIRE(got.type() == Response::ok_capset);
        CHECK(std::ranges::equal(std::span(got.bytes).subspan(sizeof(Header), capset.size()), capset));
        CHECK(got.length == sizeof(Header) + capset.size());
    }
    CHECK(rig.command(Command::get_capset_info, GetCapsetInfo{.capset_index = 2, .padding = 0}).type() ==
          Response::err_invalid_parameter);
    for (const GetCapset wrong :
         {GetCapset{.capset_id = 0, .capset_version = 0}, GetCapset{.capset_id = 3, .capset_version = 1},
          GetCapset{.capset_id = 1, .capset_version = 2}}) {
        CHECK(rig.command(Command::get_capset, wrong).type() == Response::err_invalid_parameter);
    }
}

TEST_CASE("gpu 3d: contexts are the driver's to name, once each") {
    FakeRig two({.limits = {.contexts = 2}});
    auto& [fake, rig] = two;
    CHECK(rig.ask(Rig3d::create_context(0)) == Response::err_invalid_context_id);
    const auto sent = rig.start(Rig3d::create_context(context));
    const auto order = fake.accept<render::CreateContext>();
    CHECK(order.message.context == context);
    CHECK(view_of(order.message.name) == "test"); // as long as it says
    CHECK(rig.wait(sent).type() == Response::ok_nodata);
    CHECK(rig.ask(Rig3d::create_context(context)) == Response::err_invalid_context_id);
    const auto second = rig.start(Rig3d::create_context(UINT32_MAX));
    fake.accept<render::CreateContext>();
    CHECK(rig.wait(second).type() == Response::ok_nodata);
    CHECK(rig.ask(Rig3d::create_context(6)) == Response::err_out_of_memory);
    CHECK(rig.ask(Rig3d::of_context(Command::ctx_destroy, 6, {})) == Response::err_invalid_context_id);
    const auto gone = rig.start(Rig3d::of_context(Command::ctx_destroy, context, {}));
    CHECK(fake.accept<render::DestroyContext>().message.context == context);
    CHECK(rig.wait(gone).type() == Response::ok_nodata);
    CHECK(rig.ask(Rig3d::submit(context, {1})) == Response::err_invalid_context_id);
    CHECK(fake.is_quiet());
}

TEST_CASE("gpu 3d: resources are attached to contexts that there are") {
    FakeRig two;
    auto& [fake, rig] = two;
    two.begin();
    two.create(Rig3d::flat(1, size));
    const ResourceOnly one{.resource_id = 1, .padding = 0};
    for (const auto type : {Command::ctx_attach_resource, Command::ctx_detach_resource}) {
        CHECK(rig.ask(Rig3d::of_context(type, 77, {}, one)) == Response::err_invalid_context_id);
        CHECK(rig.ask(Rig3d::of_context(type, context, {}, ResourceOnly{.resource_id = 9, .padding = 0})) ==
              Response::err_invalid_resource_id);
    }
    const auto attached = rig.start(Rig3d::of_context(Command::ctx_attach_resource, context, {}, one));
    CHECK(fake.accept<render::AttachResource>().message.resource == 1);
    CHECK(rig.wait(attached).type() == Response::ok_nodata);
    const auto detached = rig.start(Rig3d::of_context(Command::ctx_detach_resource, context, {}, one));
    CHECK(fake.accept<render::DetachResource>().message.context == context);
    CHECK(rig.wait(detached).type() == Response::ok_nodata);
    // Of a blob the renderer knows nothing.
    CHECK(rig.create_blob(2, 4096, rig.scatter(counted(4096), {4096})).type() == Response::ok_nodata);
    CHECK(rig.ask(Rig3d::of_context(Command::ctx_attach_resource, context, {},
                                    ResourceOnly{.resource_id = 2, .padding = 0})) == Response::ok_nodata);
    CHECK(fake.is_quiet());
}

TEST_CASE("gpu 3d: what a resource is goes to the renderer, and what it says comes back") {
    FakeRig two;
    auto& [fake, rig] = two;
    auto cube = Rig3d::flat(3, {.width = 16, .height = 16});
    cube.target = 4;
    cube.array_size = 6;
    cube.last_level = 4;
    const auto sent = rig.start(Rig3d::request(Command::resource_create_3d, cube));
    const auto order = fake.take<render::CreateResource>();
    CHECK(order.message.resource == 3);
    CHECK(order.message.shape.target == 4);
    CHECK(order.message.shape.array_size == 6);
    CHECK(order.message.shape.last_level == 4);
    CHECK_FALSE(rig.is_back(sent)); // before it is made
    fake.done(order.message.order.ticket);
    CHECK(rig.wait(sent).type() == Response::ok_nodata);
    CHECK(rig.device.memory_used() == 6 * 4 * (256 + 64 + 16 + 4 + 1));
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, cube)) == Response::err_invalid_resource_id);

    for (const auto& [error, response] :
         {std::pair(ENOMEM, Response::err_out_of_memory), std::pair(EINVAL, Response::err_invalid_parameter),
          std::pair(EIO, Response::err_unspec), std::pair(-5, Response::err_unspec)}) {
        cube.resource_id += 1;
        const auto refused = rig.start(Rig3d::request(Command::resource_create_3d, cube));
        fake.accept<render::CreateResource>(error);
        CHECK(rig.wait(refused).type() == response);
    }
    const auto gone =
        rig.start(Rig3d::request(Command::resource_unref, ResourceOnly{.resource_id = 3, .padding = 0}));
    CHECK(fake.accept<render::DestroyResource>().message.resource == 3);
    CHECK(rig.wait(gone).type() == Response::ok_nodata);
}

TEST_CASE("gpu 3d: a transfer copies what it touches, and nothing else") {
    FakeRig two;
    auto& [fake, rig] = two;
    two.begin();
    two.create(Rig3d::flat(1, size));
    const auto bytes = counted(bytes_of_picture);
    const auto entries = rig.scatter(bytes, {1000});
    const auto shadow = two.attach(1, entries);
    REQUIRE(shadow.size() >= bytes.size());

    const Rect part{.x = 2, .y = 3, .width = 5, .height = 2};
    const auto row = [&](std::uint32_t y) { return std::size_t{4} * (size.width * y + part.x); };
    const auto sent = rig.start(
        Rig3d::of_context(Command::transfer_to_host_3d, context, {}, Rig3d::part_of(1, part, row(part.y))));
    const auto order = fake.take<render::Transfer>();
    CHECK(order.message.context == context);
    CHECK(order.message.is_from_resource == 0);
    CHECK(order.message.memory == render::Memory::backing);
    CHECK(order.message.offset == row(part.y));
    CHECK(order.message.box.width == 5);
    std::vector<std::byte> expected(shadow.size());
    for (const auto y : {3U, 4U}) {
        std::ranges::copy(std::span(bytes).subspan(row(y), 20), expected.begin() + static_cast<long>(row(y)));
    }
    CHECK(std::ranges::equal(bytes_of(shadow), expected));
    fake.done(order.message.order.ticket);
    CHECK(rig.wait(sent).type() == Response::ok_nodata);

    // And back: only once the renderer is done, and only there.
    std::ranges::fill(bytes_of(shadow), std::byte{0x77});
    const auto back = rig.start(
        Rig3d::of_context(Command::transfer_from_host_3d, context, 8, Rig3d::part_of(1, part, row(part.y))));
    const auto read = fake.take<render::Transfer>();
    CHECK(read.message.is_from_resource == 1);
    CHECK(read.message.order.is_fenced == 1);
    CHECK_FALSE(rig.is_back(back));
    CHECK(rig.look(entries) == bytes);
    fake.done(read.message.order.ticket);
    CHECK(rig.wait(back).header.fence_id == 8);
    auto changed = bytes;
    for (const auto y : {3U, 4U}) {
        std::fill_n(changed.begin() + static_cast<long>(row(y)), 20, std::byte{0x77});
    }
    CHECK(rig.look(entries) == changed);
}

TEST_CASE("gpu 3d: nothing is written to memory that was taken back") {
    FakeRig two;
    auto& [fake, rig] = two;
    two.create(Rig3d::flat(1, size));
    const auto bytes = counted(bytes_of_picture);
    const auto entries = rig.scatter(bytes, {4096});
    const auto shadow = two.attach(1, entries);
    std::ranges::fill(bytes_of(shadow), std::byte{0x77});
    const auto all = Rig3d::part_of(1, Rect::of(size), 0);
    SECTION("the backing is detached") {
        const auto back = rig.start(Rig3d::of_context(Command::transfer_from_host_3d, 0, 8, all));
        const auto read = fake.take<render::Transfer>();
        const auto detach = rig.start(
            Rig3d::request(Command::resource_detach_backing, ResourceOnly{.resource_id = 1, .padding = 0}));
        fake.accept<render::ClearMemory>();
        CHECK(rig.wait(detach).type() == Response::ok_nodata);
        fake.done(read.message.order.ticket);
        CHECK(rig.wait(back).type() == Response::ok_nodata);
    }
    SECTION("the resource goes") {
        const auto back = rig.start(Rig3d::of_context(Command::transfer_from_host_3d, 0, {}, all));
        const auto read = fake.take<render::Transfer>();
        const auto unref =
            rig.start(Rig3d::request(Command::resource_unref, ResourceOnly{.resource_id = 1, .padding = 0}));
        fake.accept<render::DestroyResource>();
        CHECK(rig.wait(unref).type() == Response::ok_nodata);
        fake.done(read.message.order.ticket);
        CHECK(rig.wait(back).type() == Response::ok_nodata);
    }
    SECTION("the driver goes") {
        static_cast<void>(rig.start(Rig3d::of_context(Command::transfer_from_host_3d, 0, {}, all)));
        const auto read = fake.take<render::Transfer>();
        rig.restart();
        fake.done(read.message.order.ticket); // the fresh one was not asked
        rig.settle();
    }
    CHECK(rig.look(entries) == bytes);
}

TEST_CASE("gpu 3d: a transfer of two dimensions is of no context") {
    FakeRig two;
    auto& [fake, rig] = two;
    two.create(Rig3d::flat(1, size));
    const auto shadow = two.attach(1, rig.scatter(counted(bytes_of_picture), {4096}));
    const auto sent = rig.start(
        Rig3d::of_context(Command::transfer_to_host_2d, 77, 3,
                          TransferToHost2d{.r = to_guest({.x = 0, .y = 1, .width = 64, .height = 1}),
                                           .offset = 256,
                                           .resource_id = 1,
                                           .padding = 0}));
    const auto order = fake.accept<render::Transfer>();
    CHECK(order.message.context == 0);
    CHECK(order.message.offset == 256);
    CHECK(order.message.box.y == 1);
    CHECK(order.message.box.depth == 1);
    CHECK(rig.wait(sent).header.fence_id == 3);
}

TEST_CASE("gpu 3d: a transfer without a backing, or beyond it, is refused") {
    FakeRig two;
    auto& [fake, rig] = two;
    two.create(Rig3d::flat(1, size));
    const auto ask = [&rig](const TransferHost3d& transfer) {
        return rig.ask(Rig3d::of_context(Command::transfer_to_host_3d, 0, {}, transfer));
    };
    const auto all = Rig3d::part_of(1, Rect::of(size), 0);
    CHECK(ask(all) == Response::err_unspec);
    const auto shadow = two.attach(1, rig.scatter(counted(bytes_of_picture), {4096}));
    std::vector<TransferHost3d> wrong;
    const auto add = [&](auto change) {
        wrong.push_back(all);
        change(wrong.back());
    };
    add([](auto& transfer) { transfer.offset = 1; });
    add([](auto& transfer) { transfer.offset = UINT64_MAX; });
    add([](auto& transfer) { transfer.box.width = 65; });
    add([](auto& transfer) { transfer.box.x = UINT32_MAX; });
    add([](auto& transfer) { transfer.box.height = UINT32_MAX; });
    add([](auto& transfer) { transfer.box.z = 1; });
    add([](auto& transfer) { transfer.box.depth = 2; });
    add([](auto& transfer) { transfer.level = 1; });
    add([](auto& transfer) { transfer.level = UINT32_MAX; });
    add([](auto& transfer) { transfer.stride = 1; });
    add([](auto& transfer) { transfer.stride = UINT32_MAX; });
    for (const auto& transfer : wrong) {
        CHECK(ask(transfer) == Response::err_invalid_parameter);
    }
    CHECK(rig.ask(Rig3d::of_context(Command::transfer_to_host_3d, 99, {}, all)) ==
          Response::err_invalid_context_id);
    auto nobodys = all;
    nobodys.resource_id = 9;
    CHECK(ask(nobodys) == Response::err_invalid_resource_id);
    auto empty = all;
    empty.box.width = 0;
    CHECK(ask(empty) == Response::ok_nodata);
    CHECK(fake.is_quiet());
}

TEST_CASE("gpu 3d: resources that cannot be are refused before anybody is asked") {
    FakeRig two({.limits = {.resources = 3}});
    auto& [fake, rig] = two;
    std::vector<ResourceCreate3d> wrong;
    const auto add = [&](auto change) {
        wrong.push_back(Rig3d::flat(1, size));
        change(wrong.back());
    };
    add([](auto& shape) { shape.target = 9; });
    add([](auto& shape) { shape.format = 512; });
    add([](auto& shape) { shape.width = 0; });
    add([](auto& shape) { shape.width = 16385; });
    add([](auto& shape) { shape.height = UINT32_MAX; });
    add([](auto& shape) { shape.depth = 0; });
    add([](auto& shape) { shape.depth = 4000; });
    add([](auto& shape) { shape.array_size = 0; });
    add([](auto& shape) { shape.array_size = UINT32_MAX; });
    add([](auto& shape) { shape.last_level = 15; });
    add([](auto& shape) { shape.nr_samples = 64; });
    add([](auto& shape) { shape.target = 0; }); // a buffer has no height
    for (const auto& shape : wrong) {
        CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, shape)) == Response::err_invalid_parameter);
    }
    auto large = Rig3d::flat(1, {.width = 16384, .height = 16384});
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, large)) == Response::err_out_of_memory);
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, Rig3d::buffer(1, UINT32_MAX))) ==
          Response::err_out_of_memory);
    CHECK(rig.device.memory_used() == 0);
    for (const auto id : {1U, 2U, 3U}) {
        two.create(Rig3d::flat(id, size));
    }
    CHECK(rig.ask(Rig3d::request(Command::resource_create_3d, Rig3d::flat(4, size))) ==
          Response::err_out_of_memory);
    CHECK(fake.is_quiet());
}

TEST_CASE("gpu 3d: files for the renderer count as memory of the device") {
    FakeRig two({.limits = {.memory = 3 * bytes_of_picture + 4000}});
    auto& [fake, rig] = two;
    two.create(Rig3d::flat(1, size));
    const auto entries = rig.scatter(counted(bytes_of_picture), {4096});
    const auto shadow = two.attach(1, entries);
    const auto used = rig.device.memory_used();
    CHECK(used >= 2 * bytes_of_picture);
    two.create(Rig3d::buffer(2, 16));
    // No room for another as large.
    CHECK(rig.ask(Rig3d::request(
              Command::resource_attach_backing, AttachBacking{.resource_id = 2, .nr_entries = 2},
              std::vector<MemoryEntry>{{.addr = Rig3d::ram_address, .length = 1U << 20, .padding = 0},
                                       {.addr = Rig3d::ram_address, .length = 1U << 20, .padding = 0}})) ==
          Response::err_out_of_memory);
    CHECK(fake.is_quiet());
    const auto detach = rig.start(
        Rig3d::request(Command::resource_detach_backing, ResourceOnly{.resource_id = 1, .padding = 0}));
    fake.accept<render::ClearMemory>();
    CHECK(rig.wait(detach).type() == Response::ok_nodata);
    CHECK(rig.device.memory_used() == bytes_of_picture + 16);
}

} // namespace gpu_3d_test
