// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/flip_chain.hpp"

#include <cstring>

namespace hvisor::devices::gpu {
namespace {

void clear(const Canvas& canvas, const Rect& part) {
    for (std::uint32_t row = 0; row < part.height; ++row) {
        std::memset(canvas.at(part.x, part.y + row), 0, part.width * bytes_per_pixel);
    }
}

} // namespace

FlipChain::Outcome FlipChain::begin(FlipOutput& output, const Picture& picture, const Placement& placement) {
    output_ = &output;
    sets_mode_ = true;
    front_ = 1; // so that the first to be painted is 0
    if (flight_) {
        flight_->buffer.reset();
    }
    cursor_.forget();
    return change(picture, placement);
}

FlipChain::Outcome FlipChain::change(const Picture& picture, const Placement& placement) {
    picture_ = &picture;
    placement_ = placement;
    lacks_.fill({.all = true});
    return advance();
}

void FlipChain::end() {
    output_ = nullptr;
    picture_ = nullptr;
    flight_.reset();
    sets_mode_ = false;
    is_waiting_ = false;
    shown_ = presented_;
}

FlipChain::Outcome FlipChain::present(const Rect& damage) {
    ++presented_;
    if (output_ == nullptr) {
        shown_ = presented_;
        return {};
    }
    for (auto& lack : lacks_) {
        lack.part = lack.part.unite(damage);
    }
    return advance();
}

FlipChain::Outcome FlipChain::set_cursor(const Cursor* cursor) {
    cursor_.set(cursor);
    return advance();
}

FlipChain::Outcome FlipChain::move_cursor(CursorPosition position) {
    cursor_.move(position);
    return advance();
}

FlipChain::Outcome FlipChain::flipped() {
    if (!flight_) {
        return {};
    }
    land();
    return advance();
}

FlipChain::Outcome FlipChain::resume() {
    is_waiting_ = false;
    // A flip that nobody tells the end of has had the time of a frame.
    if (flight_) {
        land();
    }
    return advance();
}

void FlipChain::land() {
    shown_ = flight_->frame;
    if (flight_->buffer) {
        front_ = *flight_->buffer;
        sets_mode_ = false;
    }
    flight_.reset();
}

bool FlipChain::is_due() const {
    const auto& front = lacks_.at(front_);
    return output_ != nullptr && !flight_ && !is_waiting_ &&
           (sets_mode_ || front.all || !front.part.empty() || shown_ != presented_ ||
            cursor_.is_other(front_));
}

FlipChain::Outcome FlipChain::advance() {
    if (!is_due()) {
        return {};
    }
    const std::size_t back = 1 - front_;
    const auto damage = paint(back);
    const auto flip = output_->flip(back, damage, sets_mode_);
    if (!flip) {
        // Whoever waits for these frames must not wait for ever.
        shown_ = presented_;
        return std::unexpected(flip.error());
    }
    if (*flip == Flip::busy) {
        // What was painted is painted once more then: nobody sees it.
        is_waiting_ = true;
        output_->call_later(*flip);
        return {};
    }
    lacks_.at(back) = {};
    flight_ = Flight{.buffer = back, .frame = presented_};
    if (*flip == Flip::done) {
        is_waiting_ = true;
        output_->call_later(*flip);
    }
    return {};
}

Rect FlipChain::paint(std::size_t buffer) {
    const auto canvas = output_->canvas(buffer);
    cursor_.lift(buffer, canvas);
    const auto& lack = lacks_.at(buffer);
    const auto part = placement_.part.intersect(lack.all ? placement_.part : lack.part);
    if (lack.all && placement_.part.size() != canvas.size) {
        clear(canvas, Rect::of(canvas.size));
    }
    if (!part.empty()) {
        // The picture's own pixel 0, 0 is where it is placed.
        picture_->paint(part, {.data = canvas.at(placement_.x, placement_.y),
                               .stride = canvas.stride,
                               .size = picture_->size()});
    }
    cursor_.lay(buffer, canvas);
    return lack.all
               ? Rect::of(canvas.size)
               : placement_.on_display(part).unite(cursor_.place(buffer)).unite(cursor_.place(1 - buffer));
}

void FlipChain::read(const Canvas& to) const {
    const auto from = output_->canvas(front_);
    const auto part = placement_.part.intersect(Rect::of(to.size));
    if (part.size() != to.size) {
        clear(to, Rect::of(to.size));
    }
    for (std::uint32_t row = 0; row < part.height; ++row) {
        std::memcpy(to.at(0, row), from.at(placement_.x, placement_.y + row), part.width * bytes_per_pixel);
    }
    cursor_.uncover(front_, placement_.on_display(part), to);
}

} // namespace hvisor::devices::gpu
