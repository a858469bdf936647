// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/scanout.hpp"

#include "devices/gpu/cursor.hpp"

#include <utility>

namespace hvisor::devices::gpu {

Scanout::Scanout(std::unique_ptr<Screen> screen, MemoryBudget& budget, const KeptScanout& kept)
    : screen_(std::move(screen)), kept_(kept), share_(budget) {
    note();
}

Scanout::Shown Scanout::show(const View& view) {
    if ((next_ ? next_ : view_) == view) {
        return {}; // Linux sets it with each update
    }
    next_.reset();
    if (view_ && view_->size() == view.size() && view.is_drawn()) {
        // A page flip, too: what is not read yet must not be painted by a frame that waits.
        next_ = view;
        return {};
    }
    if (view_ && view_->size() == view.size()) {
        // A page flip. The flush that comes with it draws all that differs, so
        // that it is drawn once.
        view_ = view;
        stale_ = Rect::of(view.size());
        return {};
    }
    // A picture of a blob costs the driver nothing, and the daemon a copy.
    if (!share_.resize(bytes_per_pixel * std::uint64_t{view.size().width} * view.size().height)) {
        return {.outcome = refuse(Response::err_out_of_memory,
                                  "the picture is larger than what is left of the device's memory")};
    }
    view_ = view;
    stale_ = {};
    auto on = screen_->turn_on(*this);
    if (!on) {
        view_.reset();
        share_.release();
        note();
        return {.outcome = refuse(Response::err_unspec, "the screen cannot show it"),
                .screen_error = std::move(on).error()};
    }
    screen_->move_cursor(kept_.position());
    screen_->set_cursor(kept_.cursor());
    note();
    return {};
}

void Scanout::hide() {
    if (!view_) {
        return;
    }
    screen_->turn_off();
    view_.reset();
    next_.reset();
    stale_ = {};
    share_.release();
    note();
}

Rect Scanout::outdated(const GuestRect& changed) const {
    const auto& latest = next_ ? next_ : view_;
    if (!latest) {
        return {};
    }
    const auto part = next_ ? Rect::of(latest->size()) : latest->find(changed).unite(stale_);
    return part.empty() ? Rect{} : latest->in_framebuffer(part);
}

std::optional<std::uint64_t> Scanout::flush(const GuestRect& changed) {
    if (!view_) {
        return std::nullopt;
    }
    if (next_) {
        view_ = std::exchange(next_, std::nullopt);
        stale_ = Rect::of(view_->size());
    }
    const auto part = view_->find(changed).unite(stale_);
    if (part.empty()) {
        return std::nullopt;
    }
    stale_ = {};
    const auto frame = screen_->present(part);
    note_frames();
    return frame;
}

void Scanout::catch_up() {
    if (view_ && !view_->is_drawn() && !stale_.empty()) {
        static_cast<void>(screen_->present(std::exchange(stale_, {})));
        note_frames();
    }
}

void Scanout::set_cursor(const Cursor* cursor) {
    if (cursor != nullptr) {
        kept_.put_cursor(*cursor);
    } else {
        kept_.remove_cursor();
    }
    screen_->set_cursor(kept_.cursor());
}

void Scanout::move_cursor(CursorPosition position) {
    kept_.move_cursor(position);
    screen_->move_cursor(position);
}

void Scanout::restore_preferred() {
    const auto wanted = kept_.preferred();
    if (!wanted.empty() && wanted != screen_->facts().preferred) {
        // Where the display decides, it has decided.
        [[maybe_unused]] const auto resized = screen_->resize(wanted);
    }
}

Result<Screenshot> Scanout::take_screenshot(bool with_cursor) const {
    if (!view_) {
        return fail(ErrorCode::wrong_state, "the display is off: the zone shows nothing there");
    }
    Screenshot shot{.size = view_->size(), .pixels = {}};
    const std::size_t stride = bytes_per_pixel * shot.size.width;
    shot.pixels.resize(stride * shot.size.height);
    const Canvas canvas{.data = shot.pixels.data(), .stride = stride, .size = shot.size};
    if (!screen_->read(canvas)) {
        return fail(ErrorCode::wrong_state, "the display has shown nothing yet");
    }
    if (const auto* cursor = kept_.cursor(); with_cursor && cursor != nullptr) {
        draw_cursor(*cursor, kept_.position(), canvas);
    }
    return shot;
}

void Scanout::note_frames() {
    const auto frames = screen_->shown();
    const auto fresh = frames - std::exchange(seen_frames_, frames);
    const std::scoped_lock guard(lock_);
    rate_.add(fresh, FrameRate::Clock::now());
    state_.frames += fresh;
}

void Scanout::note() {
    note_frames();
    auto facts = screen_->facts();
    const std::scoped_lock guard(lock_);
    state_.connector = std::move(facts.connector);
    state_.remote = std::move(facts.remote);
    state_.is_connected = facts.is_connected;
    state_.is_on = view_.has_value();
    state_.size = view_ ? view_->size() : facts.preferred;
    state_.refresh = facts.refresh;
}

ScanoutState Scanout::state() const {
    const std::scoped_lock guard(lock_);
    auto state = state_;
    state.frames_per_second = rate_.per_second(FrameRate::Clock::now());
    state.viewers = screen_->viewers();
    return state;
}

void Scanout::paint(const Rect& part, const Canvas& to) const {
    if (view_) {
        view_->paint(part, to);
    }
}

} // namespace hvisor::devices::gpu
