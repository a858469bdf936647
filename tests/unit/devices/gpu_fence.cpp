// SPDX-License-Identifier: Apache-2.0
// When a command is answered, and with what fence.
#include "gpu_rig.hpp"

#include <chrono>

namespace gpu_fence_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size size{.width = 64, .height = 48};
constexpr std::uint32_t room = sizeof(Header);

/// Resource 1 is on all screens.
struct FenceRig : GpuRig {
    explicit FenceRig(std::size_t screens = 1, virtio::FeatureSet extra = {})
        : GpuRig({.screens = std::vector(screens, size),
                  .is_held = true,
                  .features = RigOptions{}.features | extra}) {
        draw_all();
    }
    void draw_all() {
        draw(1, pattern(size, 1));
        for (std::uint32_t i = 0; i < options.screens.size(); ++i) {
            set_scanout(i, 1, Rect::of(size));
        }
    }
    Sent start_flush(std::optional<std::uint64_t> fence = {}) {
        return start(fenced_request(Command::resource_flush, fence, flush_of(1, Rect::of(size))), room);
    }
    Sent start_transfer(std::optional<std::uint64_t> fence = {}) {
        return start(
            fenced_request(
                Command::transfer_to_host_2d, fence,
                TransferToHost2d{.r = to_guest(Rect::of(size)), .offset = 0, .resource_id = 1, .padding = 0}),
            room);
    }
};

} // namespace

TEST_CASE("gpu: a fence comes back as it was sent, with good news and bad") {
    GpuRig rig;
    Header header{};
    header.flags = 0xffffffff;
    header.fence_id = 0x123456789abcdef0;
    header.ctx_id = 77;
    header.ring_idx = 9;
    for (const auto type : {Command::get_display_info, Command::resource_unref}) {
        header.type = std::to_underlying(type);
        const auto got = rig.send(std::as_bytes(std::span(&header, 1)));
        CHECK(got.header.flags == flag_fence);
        CHECK(got.header.fence_id == header.fence_id);
        CHECK(got.header.ctx_id == 77);
        // No VIRTIO_GPU_F_CONTEXT_INIT, so no ring.
        CHECK(got.header.ring_idx == 0);
        header.flags = 0xfffffffe;
        const auto without = rig.send(std::as_bytes(std::span(&header, 1)));
        CHECK(without.header.flags == 0);
        CHECK(without.header.fence_id == 0);
        CHECK(without.header.ctx_id == 0);
        header.flags = 0xffffffff;
    }
}

TEST_CASE("gpu: a flush is answered when its frame is to be seen") {
    FenceRig rig;
    const auto first = rig.start_flush(5);
    const auto second = rig.start_flush();
    CHECK(!rig.is_back(first));
    CHECK(!rig.is_back(second));
    rig.show(1);
    CHECK(rig.wait(first).header.fence_id == 5);
    CHECK(!rig.is_back(second));
    rig.show(2);
    CHECK(rig.wait(second).type() == Response::ok_nodata);
    CHECK(rig.device.scanouts().front().frames == 2);
}

TEST_CASE("gpu: what has no fence is not held up by a flush that waits") {
    FenceRig rig;
    const auto flush = rig.start_flush(1);
    const auto transfer = rig.start_transfer();
    CHECK(rig.wait(transfer).type() == Response::ok_nodata);
    CHECK(rig.command(Command::get_display_info).type() == Response::ok_display_info);
    CHECK(!rig.is_back(flush));
    rig.show(1);
    rig.wait(flush);
}

TEST_CASE("gpu: fences come back in the order they were sent") {
    FenceRig rig;
    const auto flush = rig.start_flush(1);
    const auto transfer = rig.start_transfer(2);
    const auto refused = rig.start(
        GpuRig::fenced_request(Command::resource_unref, 3, ResourceOnly{.resource_id = 9, .padding = 0}),
        room);
    const auto last = rig.start_flush(4);
    const auto unfenced = rig.start_transfer();
    rig.wait(unfenced);
    CHECK(!rig.is_back(flush));
    CHECK(!rig.is_back(transfer));
    CHECK(!rig.is_back(refused));
    rig.show(1);
    CHECK(rig.wait(flush).header.fence_id == 1);
    CHECK(rig.wait(transfer).header.fence_id == 2);
    const auto bad = rig.wait(refused);
    CHECK(bad.header.fence_id == 3);
    CHECK(bad.type() == Response::err_invalid_resource_id);
    CHECK(!rig.is_back(last));
    rig.show(2);
    rig.wait(last);
}

TEST_CASE("gpu: a flush of two scanouts waits for both") {
    FenceRig rig(2);
    const auto flush = rig.start_flush();
    rig.show(1, 1);
    CHECK(!rig.is_back(flush));
    rig.show(1, 0);
    rig.wait(flush);
}

TEST_CASE("gpu: nobody waits for a frame of a scanout that goes off") {
    FenceRig rig;
    const auto flush = rig.start_flush(1);
    const auto after = rig.start_transfer(2);
    CHECK(!rig.is_back(flush));
    rig.set_scanout(0, 0, {});
    rig.wait(flush);
    rig.wait(after);
}

TEST_CASE("gpu: a reset does not wait for a frame, and the device works after it") {
    FenceRig rig;
    const auto flush = rig.start_flush(1);
    rig.start_transfer(2);
    CHECK(!rig.is_back(flush));
    rig.restart();
    CHECK(!rig.is_on());
    CHECK(rig.device.memory_used() == 0);
    rig.draw_all();
    const auto next = rig.start_flush(1);
    // The frames of before do not count.
    CHECK(!rig.is_back(next));
    rig.show(2);
    rig.wait(next);
    CHECK(rig.seen() == pattern(size, 1));
}

TEST_CASE("gpu: a queue that is reset takes its flushes along") {
    using enum virtio::Register;
    FenceRig rig(1, {virtio::FeatureBit::ring_reset});
    rig.start_flush(1);
    rig.settle();
    rig.driver.set(queue_sel, control_queue);
    rig.driver.set(queue_reset, 1);
    CHECK(kit::eventually([&] { return rig.driver.get(queue_reset) == 0; }));
    rig.control.reset();
    REQUIRE(rig.driver.set_up_queue(control_queue, rig.control));
    // What was drawn is still there.
    const auto next = rig.start_flush();
    rig.show(2);
    rig.wait(next);
    CHECK(rig.seen() == pattern(size, 1));
}

TEST_CASE("gpu: a device that is closed keeps nobody waiting") {
    FenceRig rig;
    rig.start_flush(1);
    rig.settle();
    rig.device.close();
    CHECK(!rig.is_on());
    CHECK(rig.device.memory_used() == 0);
    CHECK(!rig.device.take_screenshot(0, true));
}

TEST_CASE("gpu: a page flip and its flush are one frame") {
    FenceRig rig;
    rig.draw(2, pattern(size, 2));
    // In one batch, as Linux sends it.
    rig.reactor->call([&] {
        rig.start(
            GpuRig::request(Command::set_scanout,
                            SetScanout{.r = to_guest(Rect::of(size)), .scanout_id = 0, .resource_id = 2}),
            room);
        rig.start(GpuRig::request(Command::resource_flush,
                                  GpuRig::flush_of(2, {.x = 1, .y = 1, .width = 2, .height = 2})),
                  room);
    });
    rig.settle();
    rig.with_screen([](HeldScreen& screen) {
        CHECK(screen.turned_on == 1);
        CHECK(screen.presented == 1);
        CHECK(screen.damages.back() == Rect::of(size));
    });
    // The same again changes nothing.
    rig.set_scanout(0, 2, Rect::of(size));
    rig.with_screen([](HeldScreen& screen) {
        CHECK(screen.turned_on == 1);
        CHECK(screen.presented == 1);
    });
}

TEST_CASE("gpu: a screen that fails leaves its scanout off, and works when it can") {
    FenceRig rig(1);
    rig.set_scanout(0, 0, {});
    rig.with_screen([](HeldScreen& screen) { screen.is_broken = true; });
    const SetScanout on{.r = to_guest(Rect::of(size)), .scanout_id = 0, .resource_id = 1};
    const auto before = rig.device.memory_used();
    CHECK(rig.command(Command::set_scanout, on).type() == Response::err_unspec);
    CHECK(!rig.is_on());
    CHECK(rig.device.memory_used() == before);
    // Nothing to wait for.
    rig.flush(1, Rect::of(size));
    rig.with_screen([](HeldScreen& screen) { screen.is_broken = false; });
    rig.expect_ok(Command::set_scanout, on);
    CHECK(rig.is_on());
    CHECK(!rig.needs_reset());
}

TEST_CASE("gpu: frames come as often as the screen is refreshed") {
    GpuRig rig({.refresh = 50000});
    rig.draw(1, pattern(size, 1));
    rig.set_scanout(0, 1, Rect::of(size));
    const auto begin = std::chrono::steady_clock::now();
    rig.flush(1, Rect::of(size));
    for (int i = 0; i < 5; ++i) {
        rig.flush(1, Rect::of(size));
    }
    // The first one is shown at once, each other one 20 ms after the one before.
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(99));
    CHECK(rig.device.scanouts().front().frames == 6);
}

TEST_CASE("gpu: flushes that wait for a frame are shown with it") {
    // A frame in a thousand seconds.
    GpuRig rig({.refresh = 1});
    rig.draw(1, pattern(size, 1));
    rig.set_scanout(0, 1, Rect::of(size));
    rig.flush(1, Rect::of(size));
    std::vector<GpuRig::Sent> flushes;
    for (int i = 0; i < 10; ++i) {
        flushes.push_back(
            rig.start(GpuRig::request(Command::resource_flush, GpuRig::flush_of(1, Rect::of(size))), room));
    }
    for (const auto& flush : flushes) {
        CHECK(!rig.is_back(flush));
    }
    CHECK(rig.device.scanouts().front().frames == 1);
    rig.set_scanout(0, 0, {});
    for (const auto& flush : flushes) {
        rig.wait(flush);
    }
}

} // namespace gpu_fence_test
