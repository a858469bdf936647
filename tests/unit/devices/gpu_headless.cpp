// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/backend_headless.hpp"
#include "devices/gpu/frame_rate.hpp"
#include "kit/wait.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <vector>

namespace gpu_headless_test {

using namespace hvisor;
using namespace hvisor::devices::gpu;

namespace {

constexpr Size size{.width = 8, .height = 4};

/// All of one colour, and counts how much of it was painted.
struct Plain final : Picture {
    [[nodiscard]] Size size() const override { return gpu_headless_test::size; }
    void paint(const Rect& part, const Canvas& to) const override {
        painted.push_back(part);
        for (std::uint32_t y = part.y; y < part.y + part.height; ++y) {
            std::fill_n(to.at(part.x, y), bytes_per_pixel * part.width, colour);
        }
    }
    std::byte colour{1};
    mutable std::vector<Rect> painted;
};

struct ScreenRig {
    explicit ScreenRig(std::uint32_t refresh)
        : screen(std::make_unique<HeadlessScreen>(*reactor, size, refresh)) {
        on([&] {
            screen->listen({.shown = [this] { ++told_shown; }, .changed = [this] { ++told_changed; }});
        });
    }
    template <class Act>
    void on(Act act) {
        reactor->call([&] { act(); });
    }
    std::vector<std::byte> read() {
        std::vector<std::byte> bytes(std::size_t{size.width} * size.height * bytes_per_pixel);
        bool is_read = false;
        on([&] {
            is_read =
                screen->read({.data = bytes.data(), .stride = size.width * bytes_per_pixel, .size = size});
        });
        return is_read ? bytes : std::vector<std::byte>{};
    }

    std::unique_ptr<Reactor> reactor = *Reactor::start({.name = "test", .cpus = {}, .on_crash = {}});
    std::unique_ptr<HeadlessScreen> screen;
    Plain picture;
    std::atomic<int> told_shown = 0;
    std::atomic<int> told_changed = 0;
};

} // namespace

TEST_CASE("headless screen: without a rate each frame is shown at once") {
    ScreenRig rig(0);
    CHECK(rig.read().empty());
    rig.on([&] {
        REQUIRE(rig.screen->turn_on(rig.picture));
        for (std::uint64_t frame = 1; frame <= 5; ++frame) {
            CHECK(rig.screen->present(Rect::of(size)) == frame);
            CHECK(rig.screen->shown() == frame);
        }
    });
    // The caller has seen it.
    CHECK(rig.told_shown == 0);
    CHECK(rig.screen->facts().refresh == 60000);
}

TEST_CASE("headless screen: frames that wait are joined and drawn once") {
    ScreenRig rig(100'000); // 10 ms
    rig.on([&] {
        REQUIRE(rig.screen->turn_on(rig.picture));
        CHECK(rig.screen->present({.x = 0, .y = 0, .width = 1, .height = 1}) == 1);
        CHECK(rig.screen->shown() == 1);
        CHECK(rig.screen->present({.x = 1, .y = 1, .width = 2, .height = 1}) == 2);
        CHECK(rig.screen->present({.x = 4, .y = 2, .width = 1, .height = 2}) == 2);
        CHECK(rig.screen->shown() == 1);
        CHECK(rig.picture.painted.size() == 2);
        CHECK(rig.told_shown == 0);
    });
    CHECK(kit::eventually([&] { return rig.told_shown == 1; }));
    rig.on([&] {
        CHECK(rig.screen->shown() == 2);
        REQUIRE(rig.picture.painted.size() == 3);
        CHECK(rig.picture.painted.back() == Rect{.x = 1, .y = 1, .width = 4, .height = 3});
    });
}

TEST_CASE("headless screen: a frame that waits goes with the picture") {
    ScreenRig rig(1);
    rig.on([&] {
        REQUIRE(rig.screen->turn_on(rig.picture));
        static_cast<void>(rig.screen->present(Rect::of(size)));
        CHECK(rig.screen->present(Rect::of(size)) == 2);
        rig.screen->turn_off();
        CHECK(rig.screen->shown() == 2);
        CHECK(rig.screen->present(Rect::of(size)) == 2); // nothing is shown
        REQUIRE(rig.screen->turn_on(rig.picture));
        CHECK(rig.screen->present(Rect::of(size)) == 3);
        CHECK(rig.screen->shown() == 2);
        // Another picture draws all, and what waited is in it.
        REQUIRE(rig.screen->turn_on(rig.picture));
        CHECK(rig.screen->shown() == 3);
    });
}

TEST_CASE("headless screen: what is read is what was shown last") {
    ScreenRig rig(1);
    const auto all = [](int colour) {
        return std::vector(std::size_t{size.width} * size.height * bytes_per_pixel,
                           static_cast<std::byte>(colour));
    };
    rig.on([&] { REQUIRE(rig.screen->turn_on(rig.picture)); });
    CHECK(rig.read() == all(1));
    rig.on([&] {
        rig.picture.colour = std::byte{2};
        static_cast<void>(rig.screen->present(Rect::of(size)));
        rig.picture.colour = std::byte{3};
        static_cast<void>(rig.screen->present(Rect::of(size)));
    });
    CHECK(rig.read() == all(2));
    rig.on([&] {
        std::byte pixel[4];
        CHECK(!rig.screen->read({.data = pixel, .stride = 4, .size = {.width = 1, .height = 1}}));
        rig.screen->turn_off();
    });
    CHECK(rig.read().empty());
}

TEST_CASE("headless screen: another size is told, later and once") {
    ScreenRig rig(60000);
    rig.on([&] {
        REQUIRE(rig.screen->resize({.width = 100, .height = 50}));
        CHECK(rig.told_changed == 0);
        CHECK(rig.screen->facts().preferred == Size{.width = 100, .height = 50});
    });
    CHECK(kit::eventually([&] { return rig.told_changed == 1; }));
    rig.on([&] { REQUIRE(rig.screen->resize({.width = 100, .height = 50})); });
    rig.on([] {});
    CHECK(rig.told_changed == 1);
}

TEST_CASE("headless screen: nothing is called after its end") {
    ScreenRig rig(100'000);
    rig.on([&] {
        REQUIRE(rig.screen->turn_on(rig.picture));
        static_cast<void>(rig.screen->present(Rect::of(size)));
        static_cast<void>(rig.screen->present(Rect::of(size)));
        REQUIRE(rig.screen->resize({.width = 100, .height = 50}));
        rig.screen->close();
        CHECK(rig.screen->shown() == 2);
        REQUIRE(rig.screen->resize({.width = 101, .height = 50}));
    });
    rig.screen.reset();
    rig.on([] {});
    CHECK(rig.told_shown == 0);
    CHECK(rig.told_changed == 0);
    CHECK(rig.picture.painted.size() == 2);
}

TEST_CASE("a frame rate is that of the second that ended last") {
    using Clock = FrameRate::Clock;
    FrameRate rate;
    const Clock::time_point begin{std::chrono::seconds(1000)};
    const auto at = [&](int milliseconds) { return begin + std::chrono::milliseconds(milliseconds); };
    CHECK(rate.per_second(at(0)) == 0);
    for (int i = 0; i < 60; ++i) {
        rate.add(1, at(i * 16));
    }
    CHECK(rate.per_second(at(990)) == 0);
    CHECK(rate.per_second(at(1000)) == 60);
    rate.add(2, at(1500));
    CHECK(rate.per_second(at(1999)) == 60);
    CHECK(rate.per_second(at(2000)) == 2);
    CHECK(rate.per_second(at(3000)) == 0);
    rate.add(1, at(9000));
    CHECK(rate.per_second(at(9000)) == 0);
}

} // namespace gpu_headless_test
