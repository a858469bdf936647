// SPDX-License-Identifier: Apache-2.0
#include "devices/input/event_store.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::devices::input {
namespace {

constexpr std::size_t word_bits = 64;

constexpr std::uint64_t bit(std::size_t number) {
    return std::uint64_t{1} << (number % word_bits);
}

/// An axis whose value means something by itself. Those of several fingers
/// (ABS_MT_SLOT and above) belong to the slot that was named before.
bool is_plain_axis(const Event& event) {
    return event.type == EventType::absolute && event.code < ABS_MT_SLOT;
}

bool is_of_contact(const Event& event) {
    return event.type == EventType::absolute && event.code >= ABS_MT_SLOT;
}

bool is_key(const Event& event) {
    return event.type == EventType::key && event.code < max_codes;
}

Event slot_of(std::int32_t slot) {
    return {.type = EventType::absolute, .code = ABS_MT_SLOT, .value = slot};
}

Event release_of(std::size_t key) {
    return {.type = EventType::key, .code = static_cast<std::uint16_t>(key), .value = key_up};
}

void add_end_of_contact(std::size_t slot, std::vector<Event>& group) {
    group.push_back(slot_of(static_cast<std::int32_t>(slot)));
    group.push_back({.type = EventType::absolute, .code = ABS_MT_TRACKING_ID, .value = -1});
}

} // namespace

// All keys, axes and fingers that can be owed, and their report, fit into an empty store.
static_assert(max_codes + ABS_CNT + 2 * word_bits + 1 < EventStore::capacity && ABS_CNT <= word_bits);

void EventStore::Contacts::follow(const Event& event) {
    if (event.type != EventType::absolute) {
        return;
    }
    if (event.code == ABS_MT_SLOT) {
        slot = event.value;
    }
    if (event.code == ABS_MT_TRACKING_ID && slot >= 0 && std::cmp_less(slot, word_bits)) {
        const auto mask = bit(static_cast<std::size_t>(slot));
        active = event.value < 0 ? active & ~mask : active | mask;
    }
}

void EventStore::put(Group group) {
    catch_up();
    const auto kept = changes(group);
    for (const auto& event : group) {
        contacts_.follow(event);
        if (is_key(event)) {
            held_.set(event.code, event.value != key_up);
        }
    }
    if (kept.empty()) {
        return;
    }
    if (fits(kept.size())) {
        append(kept);
    } else {
        drop(kept);
    }
}

void EventStore::release_all() {
    std::vector<Event> group;
    for (std::size_t slot = 0; slot < word_bits; ++slot) {
        if ((contacts_.active & bit(slot)) != 0) {
            add_end_of_contact(slot, group);
        }
    }
    for (std::size_t key = 0; key < max_codes; ++key) {
        if (held_.test(key)) {
            group.push_back(release_of(key));
        }
    }
    put(group);
}

std::vector<Event> EventStore::changes(Group group) const {
    std::vector<Event> kept;
    Codes turned; // by this very group
    Contacts real = contacts_;
    Contacts told = state_.contacts;
    for (const auto& event : group) {
        if (is_key(event)) {
            const bool was_down = is_down(event.code) != turned.test(event.code);
            const bool is_repeated = event.value == key_repeated;
            if (is_repeated ? !was_down : was_down == (event.value != key_up)) {
                continue;
            }
            turned.set(event.code, turned.test(event.code) != !is_repeated);
        }
        if (is_plain_axis(event) && is_told(event, kept)) {
            continue;
        }
        if (is_of_contact(event)) {
            real.follow(event);
            if (event.code != ABS_MT_SLOT && real.slot != told.slot) {
                kept.push_back(slot_of(real.slot)); // it was named in a group that was dropped
                told.follow(kept.back());
            }
            told.follow(event);
        }
        kept.push_back(event);
    }
    return kept;
}

/// Whether the driver knows this value already.
bool EventStore::is_told(const Event& axis, Group before) const {
    const auto is_same_axis = [&](const Event& other) {
        return other.type == axis.type && other.code == axis.code;
    };
    const bool is_known = (state_.known_axes & ~owed_axes_ & bit(axis.code)) != 0;
    return is_known && state_.axes.at(axis.code) == axis.value && std::ranges::none_of(before, is_same_axis);
}

void EventStore::append(Group group) {
    for (const auto& event : group) {
        push(event);
        state_.contacts.follow(event);
        if (is_key(event) && event.value != key_repeated) {
            auto& word = state_.down.at(event.code / word_bits);
            word = event.value == key_up ? word & ~bit(event.code) : word | bit(event.code);
        } else if (is_plain_axis(event)) {
            state_.axes.at(event.code) = event.value;
            state_.known_axes |= bit(event.code);
            owed_axes_ &= ~bit(event.code);
        }
    }
    push(report);
}

void EventStore::push(const Event& event) {
    state_.events.at((state_.first + state_.count) % capacity) = event;
    ++state_.count;
}

void EventStore::drop(Group group) {
    dropped_ += group.size();
    is_behind_ = true;
    for (const auto& event : group) {
        if (is_plain_axis(event)) {
            owed_values_.at(event.code) = event.value;
            owed_axes_ |= bit(event.code);
        }
    }
}

void EventStore::catch_up() {
    if (!is_behind_) {
        return;
    }
    std::vector<Event> owed;
    // Where the pointer is comes before the button that went up there.
    for (std::uint16_t axis = 0; axis < ABS_MT_SLOT; ++axis) {
        if ((owed_axes_ & bit(axis)) != 0) {
            owed.push_back({.type = EventType::absolute, .code = axis, .value = owed_values_.at(axis)});
        }
    }
    for (std::size_t slot = 0; slot < word_bits; ++slot) {
        if ((state_.contacts.active & ~contacts_.active & bit(slot)) != 0) {
            add_end_of_contact(slot, owed);
        }
    }
    for (std::size_t key = 0; key < max_codes; ++key) {
        if (is_down(key) && !held_.test(key)) {
            owed.push_back(release_of(key));
        }
    }
    if (!fits(owed.size())) {
        return;
    }
    is_behind_ = false;
    if (!owed.empty()) {
        append(owed);
    }
}

std::optional<Event> EventStore::front() const {
    return state_.count == 0 ? std::nullopt : std::optional(state_.events.at(state_.first));
}

void EventStore::pop() {
    state_.first = static_cast<std::uint32_t>((state_.first + 1) % capacity);
    --state_.count;
    catch_up();
}

void EventStore::forget() {
    state_ = {};
    owed_axes_ = 0;
    is_behind_ = false;
}

void EventStore::go_on() {
    state_.first %= capacity;
    state_.count = std::min<std::uint32_t>(state_.count, capacity);
    held_.reset();
    contacts_ = {};
    owed_axes_ = 0;
    is_behind_ = true;
    catch_up();
}

bool EventStore::is_down(std::size_t key) const {
    return (state_.down.at(key / word_bits) & bit(key)) != 0;
}

} // namespace hvisor::devices::input
