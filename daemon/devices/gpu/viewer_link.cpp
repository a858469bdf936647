// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/viewer_link.hpp"

#include <sys/epoll.h>
#include <utility>
#include <variant>

namespace hvisor::devices::gpu {
namespace {

using viewer::Sent;

/// Of one viewer, before others have their turn.
constexpr int messages_at_once = 64;

/// Steps of a wheel in one message; nobody turns it faster.
constexpr std::int32_t most_steps = 100;

constexpr std::uint32_t all_buttons = 0x1f;

} // namespace

ViewerLink::ViewerLink(UniqueFd socket, Display display)
    : display_(std::move(display)), link_(std::move(socket)) {}

Result<void> ViewerLink::start() {
    waits_for_room_ = true; // it has been told nothing yet
    return display_.owner.watch(link_.fd(), EPOLLIN | EPOLLOUT,
                                [this](std::uint32_t events) { serve(events); });
}

ViewerLink::~ViewerLink() {
    display_.owner.unwatch(link_.fd());
    for (std::size_t code = 0; code < keys; ++code) {
        if (pressed_[code]) {
            display_.input.key(static_cast<std::uint16_t>(code), false);
        }
    }
    if (pointer_.buttons != 0) {
        pointer_.buttons = 0;
        pointer_.wheel = pointer_.horizontal_wheel = 0;
        display_.input.point(pointer_, display_.picture.size);
    }
}

void ViewerLink::tell_picture() {
    picture_is_new_ = true;
    changed_ = {}; // of another one
    flush_later();
}

void ViewerLink::tell_change(const Rect& part) {
    changed_ = changed_.unite(part);
    flush_later();
}

void ViewerLink::tell_cursor() {
    cursor_is_new_ = true;
    flush_later();
}

/// The caller draws, and other viewers come first where this one has something waiting.
void ViewerLink::flush_later() {
    if (!std::exchange(waits_for_room_, true)) {
        display_.owner.rewatch(link_.fd(), EPOLLIN | EPOLLOUT);
    }
}

void ViewerLink::serve(std::uint32_t events) {
    const bool is_there = ((events & EPOLLIN) == 0 || read()) && (events & (EPOLLHUP | EPOLLERR)) == 0 &&
                          ((events & EPOLLOUT) == 0 || flush());
    if (!is_there) {
        const auto gone = display_.gone;
        gone(*this); // which destroys this
    }
}

bool ViewerLink::flush() {
    while (picture_is_new_ || !changed_.empty() || cursor_is_new_) {
        const auto sent = send_next();
        if (sent != Sent::yes) {
            return sent == Sent::full;
        }
    }
    waits_for_room_ = false;
    display_.owner.rewatch(link_.fd(), EPOLLIN);
    return true;
}

Sent ViewerLink::send_next() {
    const RemotePicture& picture = display_.picture;
    auto sent = Sent::yes;
    if (picture_is_new_) {
        sent = picture.file
                   ? link_.send(viewer::Picture{.width = picture.size.width,
                                                .height = picture.size.height,
                                                .stride = static_cast<std::uint32_t>(picture.stride)},
                                picture.file.get())
                   : link_.send(viewer::Dark{.width = picture.size.width, .height = picture.size.height});
        picture_is_new_ = sent == Sent::full;
        return sent;
    }
    if (!changed_.empty()) {
        sent = link_.send(viewer::Changed{
            .x = changed_.x, .y = changed_.y, .width = changed_.width, .height = changed_.height});
        if (sent == Sent::yes) {
            changed_ = {};
        }
        return sent;
    }
    if (const auto& cursor = display_.cursor) {
        static_assert(viewer::Cursor::side == Cursor::side);
        sent = link_.send(
            viewer::Cursor{.hot_x = cursor->hot_x, .hot_y = cursor->hot_y, .pixels = cursor->pixels});
    } else {
        sent = link_.send(viewer::NoCursor{});
    }
    cursor_is_new_ = sent == Sent::full;
    return sent;
}

bool ViewerLink::read() {
    for (int i = 0; i < messages_at_once; ++i) {
        auto received = link_.receive();
        if (std::holds_alternative<viewer::Nothing>(received)) {
            return true;
        }
        auto* message = std::get_if<viewer::Received>(&received);
        if (message == nullptr || !take(*message)) {
            return false;
        }
    }
    return true;
}

bool ViewerLink::take(viewer::Received& message) {
    if (const auto key = message.as<viewer::Key>()) {
        return take_key(*key);
    }
    if (const auto pointer = message.as<viewer::Pointer>()) {
        return take_pointer(*pointer);
    }
    if (const auto resize = message.as<viewer::Resize>()) {
        display_.input.resize({.width = resize->width, .height = resize->height});
        return true;
    }
    return false;
}

bool ViewerLink::take_key(const viewer::Key& key) {
    if (key.code >= keys || key.is_pressed > 1) {
        return false;
    }
    // Who holds a key down sends it again and again; a guest repeats by itself.
    if (const bool is_pressed = key.is_pressed != 0; pressed_[key.code] != is_pressed) {
        pressed_[key.code] = is_pressed;
        display_.input.key(key.code, is_pressed);
    }
    return true;
}

bool ViewerLink::take_pointer(const viewer::Pointer& pointer) {
    const auto is_slow = [](std::int32_t steps) { return steps >= -most_steps && steps <= most_steps; };
    if ((pointer.buttons & ~all_buttons) != 0 || !is_slow(pointer.wheel) ||
        !is_slow(pointer.horizontal_wheel)) {
        return false;
    }
    // It may be of the picture before.
    const Size size = display_.picture.size;
    if (pointer.x < size.width && pointer.y < size.height) {
        pointer_ = pointer;
        display_.input.point(pointer, size);
    }
    return true;
}

} // namespace hvisor::devices::gpu
