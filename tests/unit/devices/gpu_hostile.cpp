// SPDX-License-Identifier: Apache-2.0
// A driver that means no good: it harms nobody but itself.
#include "gpu_rig.hpp"
#include "kit/captured_log.hpp"

#include <array>

namespace gpu_hostile_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size size{.width = 64, .height = 48};

constexpr ResourceOnly only(std::uint32_t id) {
    return {.resource_id = id, .padding = 0};
}
constexpr ResourceCreate2d image(std::uint32_t id, std::uint32_t width, std::uint32_t height,
                                 std::uint32_t format = 2) {
    return {.resource_id = id, .format = format, .width = width, .height = height};
}
/// Rectangles that leave a picture of 64 x 48, some of them only where numbers wrap around.
constexpr std::array outside{
    GuestRect{.x = 0, .y = 0, .width = 65, .height = 48},
    GuestRect{.x = 0, .y = 0, .width = 64, .height = 49},
    GuestRect{.x = 1, .y = 0, .width = 64, .height = 48},
    GuestRect{.x = 65, .y = 0, .width = 0, .height = 1},
    GuestRect{.x = UINT32_MAX, .y = 0, .width = 2, .height = 1},
    GuestRect{.x = 1, .y = 1, .width = UINT32_MAX, .height = 1},
    GuestRect{.x = 1, .y = 1, .width = 1, .height = UINT32_MAX},
    GuestRect{.x = 0x80000000, .y = 0x80000000, .width = 0x80000001, .height = 0x80000001},
};

/// Resource 1 is an image and on the screen, 2 a blob; both have a backing.
struct HostileRig : GpuRig {
    explicit HostileRig(RigOptions wanted = {}) : GpuRig(std::move(wanted)) {
        draw(1, pattern(size, 1));
        set_scanout(0, 1, Rect::of(size));
        const auto bytes = encode(pattern(size, 2), Format::b8g8r8x8_unorm);
        CHECK(create_blob(2, bytes.size(), scatter(bytes, {4096})).type() == Response::ok_nodata);
    }
    /// Refused, and nothing has changed.
    template <class... Parts>
    void expect(Response response, Command type, const Parts&... parts) {
        const auto kept = device.memory_used();
        const auto before = errors();
        CHECK(command(type, parts...).type() == response);
        CHECK(errors() == before + 1);
        CHECK(device.memory_used() == kept);
        CHECK(seen() == pattern(size, 1));
        CHECK(!needs_reset());
    }
};

} // namespace

TEST_CASE("gpu: ids that there are not, or are already") {
    HostileRig rig;
    using enum Command;
    constexpr auto wrong = Response::err_invalid_resource_id;
    rig.expect(wrong, resource_create_2d, image(0, 1, 1));
    rig.expect(wrong, resource_create_2d, image(1, 1, 1));
    rig.expect(wrong, resource_create_2d, image(2, 1, 1));
    for (const auto id : {0U, 3U, UINT32_MAX}) {
        rig.expect(wrong, resource_unref, only(id));
        rig.expect(wrong, resource_detach_backing, only(id));
        rig.expect(wrong, resource_attach_backing, AttachBacking{.resource_id = id, .nr_entries = 1},
                   MemoryEntry{.addr = rig.ram.address(), .length = 1, .padding = 0});
        rig.expect(wrong, transfer_to_host_2d,
                   TransferToHost2d{.r = {}, .offset = 0, .resource_id = id, .padding = 0});
        rig.expect(wrong, resource_flush, ResourceFlush{.r = {}, .resource_id = id, .padding = 0});
        rig.expect(wrong, resource_assign_uuid, only(id));
        if (id != 0) {
            rig.expect(wrong, set_scanout,
                       SetScanout{.r = to_guest(Rect::of(size)), .scanout_id = 0, .resource_id = id});
            rig.expect(wrong, set_scanout_blob, GpuRig::blob_scanout(id, size));
        }
    }
    for (const auto id : {1U, 16U, UINT32_MAX}) {
        rig.expect(Response::err_invalid_scanout_id, set_scanout,
                   SetScanout{.r = to_guest(Rect::of(size)), .scanout_id = id, .resource_id = 1});
        auto command = GpuRig::blob_scanout(2, size);
        command.scanout_id = id;
        rig.expect(Response::err_invalid_scanout_id, set_scanout_blob, command);
    }
    // An id is free again after its resource.
    rig.create(3, size);
    rig.expect_ok(resource_unref, only(3));
    rig.expect(wrong, resource_unref, only(3));
    rig.create(3, size);
}

TEST_CASE("gpu: sizes and formats that there are not") {
    HostileRig rig;
    using enum Command;
    for (const auto& [width, height] : {std::pair{0U, 1U},
                                        {1U, 0U},
                                        {16385U, 1U},
                                        {1U, 16385U},
                                        {UINT32_MAX, UINT32_MAX},
                                        // So many bytes are 0 in 32 bits, and in 64.
                                        {0x10000U, 0x4000U},
                                        {0x80000000U, 0x80000000U},
                                        {0x40000001U, 4U}}) {
        rig.expect(Response::err_invalid_parameter, resource_create_2d, image(5, width, height));
    }
    for (const auto format : {0U, 5U, 66U, 69U, 120U, 133U, 135U, UINT32_MAX}) {
        rig.expect(Response::err_invalid_parameter, resource_create_2d, image(5, 1, 1, format));
        auto command = GpuRig::blob_scanout(2, size);
        command.format = format;
        rig.expect(Response::err_invalid_parameter, set_scanout_blob, command);
    }
    // 2^30 bytes are possible, but not within the limit.
    rig.expect(Response::err_out_of_memory, resource_create_2d, image(5, 16384, 16384));
}

TEST_CASE("gpu: rectangles that leave their resource") {
    HostileRig rig;
    using enum Command;
    for (const auto& rect : outside) {
        INFO(rect.x << " " << rect.y << " " << rect.width << " " << rect.height);
        rig.expect(Response::err_invalid_parameter, transfer_to_host_2d,
                   TransferToHost2d{.r = rect, .offset = 0, .resource_id = 1, .padding = 0});
        rig.expect(Response::err_invalid_parameter, resource_flush,
                   ResourceFlush{.r = rect, .resource_id = 1, .padding = 0});
        rig.expect(Response::err_invalid_parameter, set_scanout,
                   SetScanout{.r = rect, .scanout_id = 0, .resource_id = 1});
        auto command = GpuRig::blob_scanout(2, size);
        command.r = rect;
        rig.expect(Response::err_invalid_parameter, set_scanout_blob, command);
        // A blob has no size that its flush could leave.
        rig.expect_ok(resource_flush, ResourceFlush{.r = rect, .resource_id = 2, .padding = 0});
    }
    rig.expect(Response::err_invalid_parameter, set_scanout,
               SetScanout{.r = {}, .scanout_id = 0, .resource_id = 1});
    // Nothing at all is a rectangle, too.
    rig.transfer(1, {.x = 64, .y = 48, .width = 0, .height = 0}, UINT64_MAX);
    rig.flush(1, {.x = 64, .y = 48, .width = 0, .height = 0});
}

TEST_CASE("gpu: a flush beyond a blob that is shown draws what there is") {
    HostileRig rig;
    rig.expect_ok(Command::set_scanout_blob, GpuRig::blob_scanout(2, size));
    for (const auto& rect : outside) {
        rig.expect_ok(Command::resource_flush, ResourceFlush{.r = rect, .resource_id = 2, .padding = 0});
    }
    CHECK(rig.seen() == pattern(size, 2));
}

TEST_CASE("gpu: transfers from beyond the backing") {
    HostileRig rig;
    constexpr std::uint64_t bytes = 64 * 48 * 4;
    const auto transfer = [](std::uint64_t offset, GuestRect rect) {
        return TransferToHost2d{.r = rect, .offset = offset, .resource_id = 1, .padding = 0};
    };
    for (const auto offset : {std::uint64_t{1}, bytes, bytes + 1, UINT64_MAX, UINT64_MAX - bytes + 1,
                              std::uint64_t{1} << 63, std::uint64_t{1} << 32}) {
        rig.expect(Response::err_invalid_parameter, Command::transfer_to_host_2d,
                   transfer(offset, to_guest(Rect::of(size))));
    }
    rig.expect(Response::err_invalid_parameter, Command::transfer_to_host_2d,
               transfer(bytes - 3, {.x = 0, .y = 0, .width = 1, .height = 1}));
    rig.expect_ok(Command::transfer_to_host_2d,
                  transfer(bytes - 4, {.x = 0, .y = 0, .width = 1, .height = 1}));
    // One that is shorter than the resource: what it has can be taken, and no more.
    rig.create(3, size);
    rig.attach(3, rig.scatter(std::vector<std::byte>(1000), {100}));
    rig.transfer(3, {.x = 0, .y = 0, .width = 64, .height = 3}, 0);
    CHECK(rig.command(Command::transfer_to_host_2d,
                      TransferToHost2d{.r = {.x = 0, .y = 0, .width = 64, .height = 4},
                                       .offset = 0,
                                       .resource_id = 3,
                                       .padding = 0})
              .type() == Response::err_invalid_parameter);
}

TEST_CASE("gpu: backing that is not in the zone's memory, or not there") {
    HostileRig rig;
    using enum Command;
    rig.create(3, size);
    const auto begin = rig.ram.address();
    const auto end = begin + rig.ram.size();
    const auto attach = [](std::uint32_t count) {
        return AttachBacking{.resource_id = 3, .nr_entries = count};
    };
    for (const auto& entry : {MemoryEntry{.addr = begin - 1, .length = 2, .padding = 0},
                              MemoryEntry{.addr = end - 1, .length = 2, .padding = 0},
                              MemoryEntry{.addr = end, .length = 1, .padding = 0},
                              MemoryEntry{.addr = 0, .length = UINT32_MAX, .padding = 0},
                              MemoryEntry{.addr = UINT64_MAX, .length = UINT32_MAX, .padding = 0},
                              MemoryEntry{.addr = UINT64_MAX - 1, .length = 1, .padding = 0},
                              MemoryEntry{.addr = begin, .length = 0, .padding = 0}}) {
        rig.expect(Response::err_invalid_parameter, resource_attach_backing, attach(1), entry);
        // The last of several, too.
        const MemoryEntry good{.addr = begin, .length = 4096, .padding = 0};
        rig.expect(Response::err_invalid_parameter, resource_attach_backing, attach(3), good, good, entry);
        rig.expect(Response::err_invalid_parameter, resource_create_blob,
                   ResourceCreateBlob{.resource_id = 9,
                                      .blob_mem = 1,
                                      .blob_flags = 0,
                                      .nr_entries = 2,
                                      .blob_id = 0,
                                      .size = 4096},
                   good, entry);
    }
    // More entries than follow, or none.
    const MemoryEntry good{.addr = begin, .length = 4096, .padding = 0};
    for (const auto count : {0U, 2U, 0x10000000U, 0x10000001U, UINT32_MAX}) {
        rig.expect(Response::err_invalid_parameter, resource_attach_backing, attach(count), good);
    }
    // Half an entry is none.
    rig.expect(Response::err_invalid_parameter, resource_attach_backing, attach(1), std::uint64_t{begin});
    // Nothing to transfer from, nothing to detach.
    rig.expect(Response::err_unspec, transfer_to_host_2d,
               TransferToHost2d{.r = {}, .offset = 0, .resource_id = 3, .padding = 0});
    rig.expect(Response::err_unspec, resource_detach_backing, only(3));
    rig.expect_ok(resource_attach_backing, attach(1), good);
    rig.expect(Response::err_unspec, resource_attach_backing, attach(1), good);
}

TEST_CASE("gpu: blobs that cannot be") {
    HostileRig rig;
    using enum Command;
    const MemoryEntry entry{.addr = rig.ram.address(), .length = 4096, .padding = 0};
    const ResourceCreateBlob good{
        .resource_id = 9, .blob_mem = 1, .blob_flags = 7, .nr_entries = 1, .blob_id = 0, .size = 4096};
    const auto refused = [&](auto change) {
        auto command = good;
        change(command);
        rig.expect(Response::err_invalid_parameter, resource_create_blob, command, entry);
    };
    for (const auto memory : {0U, 2U, 3U, 4U, UINT32_MAX}) {
        refused([&](auto& command) { command.blob_mem = memory; });
    }
    for (const auto flags : {8U, 0xffffffffU}) {
        refused([&](auto& command) { command.blob_flags = flags; });
    }
    for (const auto bytes : {std::uint64_t{0}, std::uint64_t{4097}, UINT64_MAX}) {
        refused([&](auto& command) { command.size = bytes; });
    }
    for (const auto count : {0U, 2U, UINT32_MAX}) {
        refused([&](auto& command) { command.nr_entries = count; });
    }
    rig.expect_ok(resource_create_blob, good, entry);
    rig.expect(Response::err_invalid_resource_id, resource_create_blob, good, entry);
}

TEST_CASE("gpu: framebuffers that are not in their blob") {
    HostileRig rig;
    const auto refused = [&](auto change) {
        auto command = GpuRig::blob_scanout(2, size);
        change(command);
        rig.expect(Response::err_invalid_parameter, Command::set_scanout_blob, command);
    };
    refused([](auto& command) { command.offsets[0] = 1; });
    refused([](auto& command) { command.offsets[0] = UINT32_MAX; });
    refused([](auto& command) { command.strides[0] = 0; });
    refused([](auto& command) { command.strides[0] = 64 * 4 - 1; });
    refused([](auto& command) { command.strides[0] = 64 * 4 + 1; });
    refused([](auto& command) { command.strides[0] = UINT32_MAX; });
    refused([](auto& command) { command.width = 65; });
    refused([](auto& command) { command.height = 49; });
    refused([](auto& command) { command.width = 0; });
    refused([](auto& command) { command.height = 0; });
    refused([](auto& command) { command.width = command.height = UINT32_MAX; });
    refused([](auto& command) { command.width = command.height = 0x10000; });
    // Each in the command of the other kind.
    rig.expect(Response::err_invalid_parameter, Command::set_scanout,
               SetScanout{.r = to_guest(Rect::of(size)), .scanout_id = 0, .resource_id = 2});
    refused([](auto& command) { command.resource_id = 1; });
}

TEST_CASE("gpu: requests that end too early") {
    HostileRig rig;
    using enum Command;
    const std::vector<std::vector<std::byte>> whole{
        GpuRig::request(get_edid, GetEdid{}),
        GpuRig::request(resource_create_2d, image(9, 4, 4)),
        GpuRig::request(resource_unref, only(1)),
        GpuRig::request(set_scanout, SetScanout{.r = {}, .scanout_id = 0, .resource_id = 0}),
        GpuRig::request(resource_flush, GpuRig::flush_of(1, Rect::of(size))),
        GpuRig::request(transfer_to_host_2d,
                        TransferToHost2d{.r = {}, .offset = 0, .resource_id = 1, .padding = 0}),
        GpuRig::request(resource_attach_backing, AttachBacking{.resource_id = 1, .nr_entries = 0}),
        GpuRig::request(resource_detach_backing, only(1)),
        GpuRig::request(resource_assign_uuid, only(1)),
        GpuRig::request(resource_create_blob, ResourceCreateBlob{}),
        GpuRig::request(set_scanout_blob, GpuRig::blob_scanout(0, size)),
    };
    for (const auto& request : whole) {
        for (std::size_t length = 0; length < request.size(); length += 7) {
            CHECK(rig.send(std::span(request).first(length)).type() == Response::err_invalid_parameter);
        }
        CHECK(rig.send(std::span(request).first(request.size() - 1)).type() ==
              Response::err_invalid_parameter);
    }
    CHECK(rig.seen() == pattern(size, 1));
    // Longer ones than are known are as good.
    auto longer = GpuRig::request(resource_create_2d, image(9, 4, 4));
    longer.resize(longer.size() + 100);
    CHECK(rig.send(longer).type() == Response::ok_nodata);
    CHECK(!rig.needs_reset());
}

TEST_CASE("gpu: answers that do not fit end where the room does") {
    HostileRig rig;
    const auto ask = GpuRig::request(Command::get_display_info);
    for (const std::uint32_t room : {0U, 1U, 23U}) {
        const auto before = rig.errors();
        const auto got = rig.send(ask, room);
        CHECK(got.length == 0);
        CHECK(got.bytes == std::vector(room, std::byte{0xee}));
        CHECK(rig.errors() == before + 1);
    }
    for (const std::uint32_t room : {24U, 25U, 100U, 407U}) {
        const auto got = rig.send(ask, room);
        CHECK(got.length == room);
        CHECK(got.type() == Response::ok_display_info);
    }
    CHECK(rig.send(ask, 500).length == 24 + 384);
    // One that nobody is told of is carried out all the same.
    rig.send(GpuRig::request(Command::resource_unref, only(1)), 0);
    CHECK(!rig.is_on());
    CHECK(!rig.needs_reset());
}

TEST_CASE("gpu: a request in many pieces, and an answer in many") {
    HostileRig rig;
    const auto bytes = GpuRig::request(Command::get_edid, GetEdid{});
    kit::ChainBuilder chain(rig.control);
    for (const auto byte : bytes) {
        chain.readable(std::span(&byte, 1));
    }
    for (int i = 0; i < 20; ++i) {
        chain.writable(3);
    }
    chain.add();
    rig.driver.kick(control_queue);
    std::optional<kit::SplitQueue::Used> used;
    REQUIRE(kit::eventually([&] { return (used = rig.control.take_used()).has_value(); }));
    CHECK(used->length == 60);
    CHECK(chain.written(0) == std::vector{std::byte{0x04}, std::byte{0x11}, std::byte{0}});
}

TEST_CASE("gpu: commands of three dimensions, of other queues, and none at all") {
    HostileRig rig;
    for (const auto type : {0U, 0xffU, 0x10eU, 0x10fU, 0x1ffU, 0x200U, 0x201U, 0x204U, 0x207U, 0x208U, 0x209U,
                            0x20aU, 0x2ffU, 0x302U, 0x1100U, 0x80000000U, UINT32_MAX}) {
        rig.expect(Response::err_unspec, static_cast<Command>(type), std::array<std::byte, 64>{});
    }
    rig.expect(Response::err_invalid_parameter, Command::get_capset_info, std::uint64_t{0});
    rig.expect(Response::err_invalid_parameter, Command::get_capset, std::uint64_t{0});
}

TEST_CASE("gpu: commands whose feature was not negotiated") {
    GpuRig rig({.features = {virtio::FeatureBit::version_1}});
    CHECK(rig.driver.offered().has(f_edid));
    CHECK(rig.driver.offered().has(f_resource_blob));
    CHECK(rig.driver.offered().has(f_resource_uuid));
    CHECK(!rig.driver.offered().has(f_virgl));
    CHECK(!rig.driver.offered().has(f_context_init));
    rig.create(1, size);
    CHECK(rig.command(Command::get_edid, GetEdid{}).type() == Response::err_unspec);
    CHECK(rig.command(Command::resource_assign_uuid, only(1)).type() == Response::err_unspec);
    CHECK(rig.create_blob(2, 16, rig.scatter(std::vector<std::byte>(16), {16})).type() ==
          Response::err_unspec);
    CHECK(rig.command(Command::set_scanout_blob, GpuRig::blob_scanout(0, size)).type() ==
          Response::err_unspec);
    CHECK(rig.device.memory_used() == 4U * 64 * 48);
}

TEST_CASE("gpu: a resource keeps its UUID, and no two have the same") {
    GpuRig rig;
    rig.create(1, size);
    rig.create(2, size);
    const auto ask = [&](std::uint32_t id) {
        const auto got = rig.command(Command::resource_assign_uuid, only(id));
        CHECK(got.type() == Response::ok_resource_uuid);
        CHECK(got.length == sizeof(Header) + sizeof(ResourceUuid));
        return got.body<ResourceUuid>().uuid;
    };
    const auto first = ask(1);
    CHECK(first == ask(1));
    CHECK(first != ask(2));
    CHECK((first[6] & 0xf0U) == 0x40U);
    CHECK((first[8] & 0xc0U) == 0x80U);
}

TEST_CASE("gpu: no more resources than the limit, and as many again when they are gone") {
    HostileRig rig({.limits = {.resources = 5}});
    for (int round = 0; round < 2; ++round) {
        for (std::uint32_t id = 10; id < 13; ++id) {
            rig.create(id, {.width = 1, .height = 1});
        }
        rig.expect(Response::err_out_of_memory, Command::resource_create_2d, image(13, 1, 1));
        for (std::uint32_t id = 10; id < 13; ++id) {
            rig.expect_ok(Command::resource_unref, only(id));
        }
    }
}

TEST_CASE("gpu: no more memory than the limit, and all of it again when it is free") {
    constexpr std::uint64_t mib = 1 << 20;
    GpuRig rig({.limits = {.memory = 4 * mib}});
    constexpr Size large{.width = 1024, .height = 256}; // 1 MiB
    const auto is_refused = [&](std::uint32_t id) {
        return rig.command(Command::resource_create_2d, image(id, 1024, 256)).type() ==
               Response::err_out_of_memory;
    };
    for (std::uint32_t id = 1; id <= 4; ++id) {
        rig.create(id, large);
    }
    CHECK(rig.device.memory_used() == 4 * mib);
    CHECK(is_refused(5));
    // Neither entries nor a picture for the screen fit beside them.
    CHECK(rig.command(Command::resource_attach_backing, AttachBacking{.resource_id = 1, .nr_entries = 1},
                      MemoryEntry{.addr = rig.ram.address(), .length = 4096, .padding = 0})
              .type() == Response::err_out_of_memory);
    CHECK(rig.command(Command::set_scanout,
                      SetScanout{.r = to_guest(Rect::of(large)), .scanout_id = 0, .resource_id = 1})
              .type() == Response::err_out_of_memory);
    CHECK(!rig.is_on());
    rig.expect_ok(Command::resource_unref, only(4));
    rig.set_scanout(0, 1, Rect::of(large));
    CHECK(rig.device.memory_used() == 4 * mib);
    CHECK(is_refused(5));
    // A smaller picture takes less.
    rig.set_scanout(0, 1, {.x = 0, .y = 0, .width = 1024, .height = 128});
    rig.attach(1, rig.scatter(std::vector<std::byte>(100), {1}));
    CHECK(rig.device.memory_used() > 3 * mib + mib / 2);
    rig.expect_ok(Command::resource_detach_backing, only(1));
    CHECK(rig.device.memory_used() == 3 * mib + mib / 2);
    rig.set_scanout(0, 0, {});
    rig.create(5, large);
    rig.restart();
    CHECK(rig.device.memory_used() == 0);
    rig.create(1, large);
}

TEST_CASE("gpu: a picture of a blob counts, however little guest memory is behind it") {
    GpuRig rig({.limits = {.memory = 8 << 20}});
    // A megabyte of guest memory, again and again.
    constexpr std::uint32_t piece = 1 << 20;
    const std::vector<MemoryEntry> entries(
        1025, {.addr = rig.ram.address() + (8 << 20), .length = piece, .padding = 0});
    REQUIRE(rig.create_blob(1, std::uint64_t{piece} * 1024, entries).type() == Response::ok_nodata);
    CHECK(rig.device.memory_used() < 64 << 10);
    CHECK(rig.command(Command::set_scanout_blob, GpuRig::blob_scanout(1, {.width = 16384, .height = 16384}))
              .type() == Response::err_out_of_memory);
    CHECK(!rig.is_on());
    rig.expect_ok(Command::set_scanout_blob, GpuRig::blob_scanout(1, {.width = 1024, .height = 1024}));
    CHECK(rig.is_on());
}

TEST_CASE("gpu: backing that goes away leaves no trace of what comes after it") {
    HostileRig rig;
    // An image is seen as it was transferred.
    rig.expect_ok(Command::resource_detach_backing, only(1));
    rig.flush(1, Rect::of(size));
    CHECK(rig.seen() == pattern(size, 1));
    // A blob is its backing.
    rig.expect_ok(Command::set_scanout_blob, GpuRig::blob_scanout(2, size));
    rig.expect_ok(Command::resource_detach_backing, only(2));
    CHECK(!rig.is_on());
    rig.flush(2, Rect::of(size));
    CHECK(rig.command(Command::set_scanout_blob, GpuRig::blob_scanout(2, size)).type() ==
          Response::err_invalid_parameter);
    // It gets one again only if that is as large as it says.
    const MemoryEntry small{.addr = rig.ram.address(), .length = 64 * 48 * 4 - 1, .padding = 0};
    CHECK(
        rig.command(Command::resource_attach_backing, AttachBacking{.resource_id = 2, .nr_entries = 1}, small)
            .type() == Response::err_invalid_parameter);
    rig.attach(2, rig.scatter(encode(pattern(size, 7), Format::b8g8r8x8_unorm), {4096}));
    rig.expect_ok(Command::set_scanout_blob, GpuRig::blob_scanout(2, size));
    CHECK(rig.seen() == pattern(size, 7));
}

TEST_CASE("gpu: a resource that goes while its flush waits") {
    GpuRig rig({.refresh = 1});
    for (const bool is_blob : {false, true}) {
        const auto bytes = encode(pattern(size, 2), Format::b8g8r8x8_unorm);
        if (is_blob) {
            CHECK(rig.create_blob(2, bytes.size(), rig.scatter(bytes, {999})).type() == Response::ok_nodata);
            rig.expect_ok(Command::set_scanout_blob, GpuRig::blob_scanout(2, size));
        } else {
            rig.draw(2, pattern(size, 2));
            rig.set_scanout(0, 2, Rect::of(size));
        }
        const auto flush = GpuRig::request(Command::resource_flush, GpuRig::flush_of(2, Rect::of(size)));
        const auto first = rig.start(flush); // which may be shown at once
        const auto waits = rig.start(flush);
        CHECK(!rig.is_back(waits));
        rig.expect_ok(Command::resource_unref, only(2));
        rig.wait(waits);
        rig.wait(first);
        CHECK(!rig.is_on());
    }
}

TEST_CASE("gpu: a driver that makes mistakes all the time does not fill the log") {
    const kit::CapturedLog log;
    GpuRig rig;
    for (int i = 0; i < 200; ++i) {
        CHECK(rig.command(static_cast<Command>(i)).type() == Response::err_unspec);
    }
    CHECK(log.lines() <= 20);
    CHECK(log.text().contains("command 0x0 refused: there is no such command"));
    CHECK(rig.errors() == 200);
}

} // namespace gpu_hostile_test
