// SPDX-License-Identifier: Apache-2.0
// What a driver draws is what is to be seen, pixel by pixel.
#include "gpu_rig.hpp"

namespace gpu_picture_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size odd{.width = 61, .height = 37};

} // namespace

TEST_CASE("gpu: a picture in each format is seen as it was drawn") {
    GpuRig rig;
    for (const auto format : all_formats) {
        INFO("format " << std::to_underlying(format));
        const auto picture = pattern(odd, std::to_underlying(format));
        const auto id = 100 + std::to_underlying(format);
        rig.draw(id, picture, format);
        rig.set_scanout(0, id, Rect::of(odd));
        rig.flush(id, Rect::of(odd));
        CHECK(rig.seen() == picture);
    }
    CHECK(rig.errors() == 0);
    CHECK(!rig.needs_reset());
}

TEST_CASE("gpu: a blob in each format is seen without a transfer") {
    GpuRig rig;
    for (const auto format : all_formats) {
        INFO("format " << std::to_underlying(format));
        const auto picture = pattern(odd, std::to_underlying(format));
        const auto bytes = encode(picture, format);
        const auto id = 100 + std::to_underlying(format);
        CHECK(rig.create_blob(id, bytes.size(), rig.scatter(bytes, {1001, 3, 4096})).type() ==
              Response::ok_nodata);
        rig.expect_ok(Command::set_scanout_blob, GpuRig::blob_scanout(id, odd, format));
        rig.flush(id, Rect::of(odd));
        CHECK(rig.seen() == picture);
    }
    CHECK(rig.errors() == 0);
}

TEST_CASE("gpu: a blob's framebuffer begins anywhere, and its rows lie anywhere apart") {
    GpuRig rig;
    const auto picture = pattern(odd, 1);
    const auto dense = encode(picture, Format::b8g8r8x8_unorm);
    constexpr std::uint32_t offset = 77;
    constexpr std::uint32_t stride = 61 * 4 + 9;
    std::vector<std::byte> bytes(offset + std::size_t{stride} * odd.height);
    for (std::uint32_t y = 0; y < odd.height; ++y) {
        std::memcpy(&bytes[offset + std::size_t{y} * stride], &dense[std::size_t{y} * odd.width * 4],
                    std::size_t{odd.width} * 4);
    }
    CHECK(rig.create_blob(5, bytes.size(), rig.scatter(bytes, {333})).type() == Response::ok_nodata);
    auto command = GpuRig::blob_scanout(5, odd);
    command.offsets.front() = offset;
    command.strides.front() = stride;
    const Rect part{.x = 7, .y = 3, .width = 40, .height = 30};
    command.r = to_guest(part);
    rig.expect_ok(Command::set_scanout_blob, command);
    CHECK(rig.seen() == picture.part(part));
}

TEST_CASE("gpu: backing is taken together from pieces of any size") {
    GpuRig rig;
    const std::vector<std::vector<std::size_t>> cuts{{1}, {4095, 1, 4097}, {3, 5, 7}, {61 * 4}, {1 << 20}};
    std::uint32_t id = 1;
    for (const auto& sizes : cuts) {
        const auto picture = pattern(odd, id);
        rig.create(id, odd);
        rig.attach(id, rig.scatter(encode(picture, Format::b8g8r8x8_unorm), sizes));
        rig.transfer(id, Rect::of(odd), 0);
        rig.set_scanout(0, id, Rect::of(odd));
        CHECK(rig.seen() == picture);
        // Single pixels and columns, over all borders of pieces.
        auto changed = pattern(odd, id + 100);
        rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = id, .padding = 0});
        rig.attach(id, rig.scatter(encode(changed, Format::b8g8r8x8_unorm), sizes));
        auto expected = picture;
        for (const auto& part :
             {Rect{.x = 60, .y = 36, .width = 1, .height = 1}, Rect{.x = 0, .y = 0, .width = 1, .height = 37},
              Rect{.x = 13, .y = 5, .width = 17, .height = 11},
              Rect{.x = 0, .y = 20, .width = 61, .height = 2}}) {
            rig.transfer(id, part, (std::uint64_t{part.y} * odd.width + part.x) * 4);
            rig.flush(id, part);
            expected.put(part, changed);
            CHECK(rig.seen() == expected);
        }
        ++id;
    }
    CHECK(rig.errors() == 0);
}

TEST_CASE("gpu: a transfer takes its rows from where its offset says") {
    GpuRig rig;
    const auto source = pattern(odd, 3);
    rig.draw(1, Bitmap(odd));
    rig.set_scanout(0, 1, Rect::of(odd));
    rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = 1, .padding = 0});
    rig.attach(1, rig.scatter(encode(source, Format::b8g8r8x8_unorm), {500}));
    // The driver's rows for (30, 20) lie where those of (2, 1) would be.
    const Rect to{.x = 30, .y = 20, .width = 10, .height = 6};
    const Rect from{.x = 2, .y = 1, .width = 10, .height = 6};
    rig.transfer(1, to, (std::uint64_t{from.y} * odd.width + from.x) * 4);
    rig.flush(1, to);
    Bitmap expected(odd, 0xff000000U);
    expected.put(to, source, from);
    CHECK(rig.seen() == expected);
    CHECK(rig.device.queue_state(control_queue).metrics.bytes.get() == 61U * 37 * 4 + 10 * 6 * 4);
}

TEST_CASE("gpu: a flush shows what it names and nothing else") {
    GpuRig rig;
    const auto before = pattern(odd, 1);
    const auto after = pattern(odd, 2);
    rig.draw(1, before);
    rig.set_scanout(0, 1, Rect::of(odd));
    rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = 1, .padding = 0});
    rig.attach(1, rig.scatter(encode(after, Format::b8g8r8x8_unorm), {4096}));
    rig.transfer(1, Rect::of(odd), 0);
    CHECK(rig.seen() == before);
    auto expected = before;
    const Rect part{.x = 5, .y = 7, .width = 9, .height = 11};
    rig.flush(1, part);
    expected.put(part, after);
    CHECK(rig.seen() == expected);
}

TEST_CASE("gpu: a scanout shows a part of a resource, and what is flushed of it") {
    GpuRig rig;
    const auto before = pattern(odd, 1);
    const auto after = pattern(odd, 2);
    rig.draw(1, before);
    const Rect part{.x = 11, .y = 9, .width = 33, .height = 20};
    rig.set_scanout(0, 1, part);
    CHECK(rig.seen() == before.part(part));
    rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = 1, .padding = 0});
    rig.attach(1, rig.scatter(encode(after, Format::b8g8r8x8_unorm), {4096}));
    rig.transfer(1, Rect::of(odd), 0);
    // Beside it: nothing to be seen changes, and nobody waits.
    rig.flush(1, {.x = 0, .y = 0, .width = 11, .height = 37});
    CHECK(rig.seen() == before.part(part));
    // Across its corner.
    auto mixed = before;
    const Rect across{.x = 5, .y = 5, .width = 10, .height = 10};
    rig.flush(1, across);
    mixed.put(across, after);
    CHECK(rig.seen() == mixed.part(part));
}

TEST_CASE("gpu: several scanouts, two of which show one resource") {
    constexpr Size small{.width = 20, .height = 10};
    GpuRig rig({.screens = {odd, odd, small}});
    CHECK(rig.driver.config<std::uint32_t>(offsetof(Config, num_scanouts)) == 3);
    const auto one = pattern(odd, 1);
    const auto two = pattern(small, 2);
    rig.draw(1, one);
    rig.draw(2, two);
    rig.set_scanout(0, 1, Rect::of(odd));
    const Rect right{.x = 30, .y = 0, .width = 31, .height = 37};
    rig.set_scanout(1, 1, right);
    rig.set_scanout(2, 2, Rect::of(small));
    CHECK(rig.seen(0) == one);
    CHECK(rig.seen(1) == one.part(right));
    CHECK(rig.seen(2) == two);
    // One flush is for both.
    const auto next = pattern(odd, 3);
    rig.expect_ok(Command::resource_detach_backing, ResourceOnly{.resource_id = 1, .padding = 0});
    rig.attach(1, rig.scatter(encode(next, Format::b8g8r8x8_unorm), {4096}));
    rig.transfer(1, Rect::of(odd), 0);
    rig.flush(1, Rect::of(odd));
    CHECK(rig.seen(0) == next);
    CHECK(rig.seen(1) == next.part(right));
    CHECK(rig.seen(2) == two);
    // Without the resource there is nothing on either.
    rig.expect_ok(Command::resource_unref, ResourceOnly{.resource_id = 1, .padding = 0});
    CHECK(!rig.is_on(0));
    CHECK(!rig.is_on(1));
    CHECK(rig.seen(2) == two);
}

TEST_CASE("gpu: a page flip shows the other picture, also without a flush") {
    GpuRig rig;
    const auto one = pattern(odd, 1);
    const auto two = pattern(odd, 2);
    rig.draw(1, one);
    rig.draw(2, two);
    rig.set_scanout(0, 1, Rect::of(odd));
    rig.set_scanout(0, 2, Rect::of(odd));
    rig.settle();
    CHECK(rig.seen() == two);
    // And a flush of a part of the new one is a flush of all of it.
    rig.set_scanout(0, 1, Rect::of(odd));
    rig.flush(1, {.x = 1, .y = 1, .width = 1, .height = 1});
    CHECK(rig.seen() == one);
    // A flush of what is not to be seen does nothing.
    rig.flush(2, Rect::of(odd));
    CHECK(rig.seen() == one);
}

TEST_CASE("gpu: a picture of another size takes the place of the one before") {
    GpuRig rig;
    rig.draw(1, pattern(odd, 1));
    rig.set_scanout(0, 1, Rect::of(odd));
    const auto large = pattern({.width = 640, .height = 480}, 2);
    rig.draw(2, large);
    rig.set_scanout(0, 2, Rect::of(large.size));
    CHECK(rig.seen() == large);
    CHECK(rig.device.scanouts().front().size == large.size);
    rig.set_scanout(0, 0, {});
    CHECK(!rig.is_on());
    const auto shot = rig.device.take_screenshot(0, false);
    REQUIRE(!shot);
    CHECK(shot.error().code == ErrorCode::wrong_state);
    const auto none = rig.device.take_screenshot(1, false);
    REQUIRE(!none);
    CHECK(none.error().code == ErrorCode::no_such_device);
}

} // namespace gpu_picture_test
