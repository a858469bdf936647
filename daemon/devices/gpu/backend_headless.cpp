// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/backend_headless.hpp"

#include "base/errno_text.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <utility>

namespace hvisor::devices::gpu {
namespace {

using Clock = Reactor::Clock;

Clock::duration period_of(std::uint32_t refresh_millihertz) {
    return refresh_millihertz == 0
               ? Clock::duration::zero()
               : Clock::duration(std::chrono::nanoseconds(std::chrono::seconds(1000)) / refresh_millihertz);
}

/// Pixels in a file of memory, so that they can be lent to another process. It
/// never becomes shorter, which would be a SIGBUS for who has it mapped.
struct Store {
    UniqueFd file;
    Mapping mapping;
    Canvas canvas;

    static Result<Store> make(Size size) {
        const auto stride = bytes_per_pixel * size.width;
        const auto bytes = stride * size.height;
        Store store{.file = UniqueFd(::memfd_create("hvisor-screen", MFD_CLOEXEC | MFD_ALLOW_SEALING)),
                    .mapping = {},
                    .canvas = {}};
        // All of it is drawn in a moment; here a lack of memory is still an error.
        errno = store.file ? ::posix_fallocate(store.file.get(), 0, static_cast<off_t>(bytes)) : errno;
        if (errno != 0 ||
            ::fcntl(store.file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
            return fail(ErrorCode::failed, "cannot get memory for a screen of {} x {} pixels: {}", size.width,
                        size.height, errno_text());
        }
        auto mapping = Mapping::map_shared(store.file.get(), 0, bytes, "a screen's memory");
        if (!mapping) {
            return std::unexpected(std::move(mapping).error());
        }
        store.mapping = std::move(*mapping);
        store.canvas = {.data = store.mapping.data(), .stride = stride, .size = size};
        return store;
    }
};

} // namespace

struct HeadlessScreen::Impl {
    Impl(HeadlessScreen& screen, Reactor& owner, Size preferred, std::uint32_t refresh)
        : facts{.preferred = preferred, .refresh = refresh == 0 ? default_refresh : refresh},
          period(period_of(refresh)),
          frame_timer(owner,
                      [this, &screen] {
                          show_frame();
                          if (screen.listener().shown) {
                              screen.listener().shown();
                          }
                      }),
          change_timer(owner, [&screen] {
              if (screen.listener().changed) {
                  screen.listener().changed();
              }
          }) {}

    void show_frame() {
        const auto now = Clock::now();
        // In step with the last one, unless that is long ago.
        next_frame = now < next_frame + period ? next_frame + period : now + period;
        picture->paint(std::exchange(damage, {}), store.canvas);
        shown = presented;
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
    }

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
};

HeadlessScreen::HeadlessScreen(Reactor& owner, Size preferred, std::uint32_t refresh_millihertz)
    : impl_(std::make_unique<Impl>(*this, owner, preferred, refresh_millihertz)) {}

HeadlessScreen::~HeadlessScreen() = default;

ScreenFacts HeadlessScreen::facts() const {
    return impl_->facts;
}

Result<void> HeadlessScreen::turn_on(const Picture& picture) {
    impl_->forget_frames();
    if (const auto size = picture.size(); impl_->store.canvas.size != size) {
        impl_->store = {};
        auto store = Store::make(size);
        if (!store) {
            impl_->picture = nullptr;
            return std::unexpected(std::move(store).error());
        }
        impl_->store = std::move(*store);
    }
    impl_->picture = &picture;
    picture.paint(Rect::of(picture.size()), impl_->store.canvas);
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

// Nobody looks at it: whoever takes a picture draws the cursor into it.
void HeadlessScreen::set_cursor(const Cursor* /*cursor*/) {}
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
    if (size.empty() || size.width > max_side || size.height > max_side) {
        return fail(ErrorCode::invalid_config, "a screen has 1 to {} pixels a side, not {} x {}", max_side,
                    size.width, size.height);
    }
    if (size != impl_->facts.preferred && !impl_->is_closed) {
        impl_->facts.preferred = size;
        impl_->change_timer.set(Clock::now());
    }
    return {};
}

void HeadlessScreen::close() {
    impl_->is_closed = true;
    impl_->change_timer.cancel();
    impl_->turn_off();
}

} // namespace hvisor::devices::gpu
