// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/backend_headless.hpp"

#include "devices/gpu/memory_file.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <format>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

using Clock = Reactor::Clock;

Clock::duration period_of(std::uint32_t refresh_millihertz) {
    return refresh_millihertz == 0
               ? Clock::duration::zero()
               : Clock::duration(std::chrono::nanoseconds(std::chrono::seconds(1000)) / refresh_millihertz);
}

/// Pixels in a file of memory, so that they can be lent to another process.
struct Store {
    MemoryFile memory;
    Canvas canvas;

    [[nodiscard]] RemotePicture lend() const {
        return {.file = memory.lend(), .size = canvas.size, .stride = canvas.stride};
    }

    static Result<Store> make(Size size) {
        const auto stride = bytes_per_pixel * size.width;
        auto memory = MemoryFile::make("hvisor-screen", stride * size.height);
        if (!memory) {
            return std::unexpected(std::move(memory).error().with_context(
                std::format("a screen of {} x {} pixels", size.width, size.height)));
        }
        Store store{.memory = std::move(*memory), .canvas = {}};
        store.canvas = {.data = store.memory.mapping.data(), .stride = stride, .size = size};
        return store;
    }
};

} // namespace

struct HeadlessScreen::Impl {
    Impl(HeadlessScreen& screen, Reactor& reactor, Size preferred, std::uint32_t refresh)
        : owner(reactor),
          facts{.preferred = preferred, .refresh = refresh == 0 ? default_refresh : refresh},
          period(period_of(refresh)),
          frame_timer(reactor,
                      [this, &screen] {
                          show_frame();
                          if (screen.listener().shown) {
                              screen.listener().shown();
                          }
                      }),
          change_timer(reactor, [&screen] {
              if (screen.listener().changed) {
                  screen.listener().changed();
              }
          }) {}

    void show_frame() {
        const auto now = Clock::now();
        // In step with the last one, unless that is long ago.
        next_frame = now < next_frame + period ? next_frame + period : now + period;
        const auto part = std::exchange(damage, {});
        picture->paint(part, store.canvas);
        shown = presented;
        if (vnc) {
            vnc->change(part);
        }
    }
    void forget_frames() {
        frame_timer.cancel();
        damage = {};
        shown = presented;
    }
    void turn_off() {
        forget_frames();
        picture = nullptr;
        store = {};
        darken();
    }
    void darken() const {
        if (vnc) {
            vnc->hide(facts.preferred);
        }
    }

    Reactor& owner;
    ScreenFacts facts;
    Clock::duration period;
    const Picture* picture = nullptr; ///< null: off
    Store store;
    Rect damage;                 ///< of the frame that waits for its time
    std::uint64_t presented = 0; ///< the newest frame
    std::uint64_t shown = 0;
    Clock::time_point next_frame; ///< its earliest time
    bool is_closed = false;
    Reactor::Timer frame_timer;
    Reactor::Timer change_timer;
    std::unique_ptr<VncServer> vnc; ///< null: nobody can look
};

HeadlessScreen::HeadlessScreen(Reactor& owner, Size preferred, std::uint32_t refresh_millihertz)
    : impl_(std::make_unique<Impl>(*this, owner, preferred, refresh_millihertz)) {}

HeadlessScreen::~HeadlessScreen() = default;

ScreenFacts HeadlessScreen::facts() const {
    return impl_->facts;
}

Result<void> HeadlessScreen::turn_on(const Picture& picture) {
    impl_->forget_frames();
    const auto size = picture.size();
    const bool is_other = impl_->store.canvas.size != size;
    if (is_other) {
        impl_->store = {};
        auto store = Store::make(size);
        if (!store) {
            impl_->turn_off();
            return std::unexpected(std::move(store).error());
        }
        impl_->store = std::move(*store);
    }
    impl_->picture = &picture;
    picture.paint(Rect::of(size), impl_->store.canvas);
    if (impl_->vnc && is_other) {
        impl_->vnc->show(impl_->store.lend());
    } else if (impl_->vnc) {
        impl_->vnc->change(Rect::of(size));
    }
    return {};
}

void HeadlessScreen::turn_off() {
    impl_->turn_off();
}

std::uint64_t HeadlessScreen::present(const Rect& damage) {
    auto& impl = *impl_;
    if (impl.picture == nullptr) {
        return impl.shown;
    }
    impl.damage = impl.damage.unite(damage);
    if (impl.frame_timer.is_set()) {
        return impl.presented; // with the frame that waits
    }
    ++impl.presented;
    if (Clock::now() >= impl.next_frame) {
        impl.show_frame();
    } else {
        impl.frame_timer.set(impl.next_frame);
    }
    return impl.presented;
}

std::uint64_t HeadlessScreen::shown() const {
    return impl_->shown;
}

// Whoever takes a picture draws the cursor into it; viewers have it where their own is.
void HeadlessScreen::set_cursor(const Cursor* cursor) {
    if (impl_->vnc) {
        impl_->vnc->set_cursor(cursor);
    }
}
void HeadlessScreen::move_cursor(CursorPosition /*position*/) {}

bool HeadlessScreen::read(const Canvas& to) const {
    const auto& from = impl_->store.canvas;
    if (impl_->picture == nullptr || to.size != from.size) {
        return false;
    }
    for (std::uint32_t y = 0; y < to.size.height; ++y) {
        std::memcpy(to.at(0, y), from.at(0, y), bytes_per_pixel * to.size.width);
    }
    return true;
}

Result<void> HeadlessScreen::resize(Size size) {
    const auto fits = [](std::uint32_t side) {
        return side >= least_display_side && side <= largest_display_side;
    };
    if (!fits(size.width) || !fits(size.height)) {
        return fail(ErrorCode::invalid_config, "a display of {} x {} pixels; expected {} to {} a side",
                    size.width, size.height, least_display_side, largest_display_side);
    }
    if (size != impl_->facts.preferred && !impl_->is_closed) {
        impl_->facts.preferred = size;
        impl_->change_timer.set(Clock::now());
        if (impl_->picture == nullptr) {
            impl_->darken();
        }
    }
    return {};
}

Result<void> HeadlessScreen::serve(VncSettings settings, RemoteInput input) {
    // A size that cannot be is no size; what the viewer has stays.
    input.resize = [this](Size size) { [[maybe_unused]] const auto resized = resize(size); };
    auto server = VncServer::open(impl_->owner, std::move(settings), std::move(input));
    if (!server) {
        return std::unexpected(std::move(server).error());
    }
    impl_->vnc = std::move(*server);
    impl_->facts.remote = impl_->vnc->address();
    impl_->owner.post([&vnc = *impl_->vnc, dark = impl_->facts.preferred] { vnc.start(dark); });
    return {};
}

std::size_t HeadlessScreen::viewers() const {
    return impl_->vnc ? impl_->vnc->viewers() : 0;
}

void HeadlessScreen::close() {
    impl_->is_closed = true;
    impl_->change_timer.cancel();
    impl_->turn_off();
    if (impl_->vnc) {
        impl_->vnc->close();
    }
}

} // namespace hvisor::devices::gpu
