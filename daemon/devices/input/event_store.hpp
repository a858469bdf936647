// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/input/event.hpp"

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

namespace hvisor::devices::input {

/// Events on their way to a guest, of which there is room for a fixed number: a
/// guest that takes none costs no more.
///
/// A group goes in whole or not at all (virtio 1.2, 5.8.6.2). Of one that does
/// not, what ends is not forgotten: keys that went up, and where the pointer is
/// now, follow as soon as there is room for them. So no key stays down in the
/// guest that is up here.
class EventStore {
  public:
    static constexpr std::size_t capacity = 1024;

    using Codes = std::bitset<max_codes>;
    using Axes = std::array<std::int32_t, ABS_CNT>;

    /// Fingers on a surface that takes several, each in a slot: the events of one
    /// follow the name of its slot (Linux's multi-touch protocol, type B).
    struct Contacts {
        std::uint64_t active = 0; ///< bit n: there is a finger in slot n
        std::int32_t slot = 0;    ///< that was named last
        void follow(const Event& event);
    };

    /// What the driver will know when it has taken all that is here: plain data.
    struct State {
        std::array<Event, capacity> events{}; ///< a ring
        std::uint32_t first = 0;
        std::uint32_t count = 0;
        std::array<std::uint64_t, max_codes / 64> down{};
        Axes axes{};
        std::uint64_t known_axes = 0; ///< bit n: axis n was told
        Contacts contacts;
    };
    static_assert(std::is_trivially_copyable_v<State>);

    /// `state` outlives it.
    explicit EventStore(State& state) : state_(state) {}

    /// A group, in order, without the report at its end. What changes nothing,
    /// such as the release of a key that is up, is left out.
    void put(Group group);

    [[nodiscard]] std::optional<Event> front() const;
    /// The driver has got front().
    void pop();

    /// Whoever has sent is gone: what it held down goes up.
    void release_all();
    /// Events that were not kept, for want of room.
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

    /// Another driver: it knows of nothing, also not of keys that are held now.
    void forget();

    /// Go on with a state that another process has left. Whoever sent to it is gone:
    /// keys that are down go up.
    void go_on();

  private:
    [[nodiscard]] bool is_down(std::size_t key) const;
    /// The events of a group that change something.
    [[nodiscard]] std::vector<Event> changes(Group group) const;
    [[nodiscard]] bool is_told(const Event& axis, Group before) const;
    [[nodiscard]] bool fits(std::size_t events) const { return events < capacity - state_.count; }
    void append(Group group);
    void push(const Event& event);
    /// Remember what a group that is dropped ends.
    void drop(Group group);
    /// Say now what could not be said when it happened.
    void catch_up();

    State& state_;
    Codes held_;        ///< keys that whoever sends holds down
    Contacts contacts_; ///< and its fingers
    Axes owed_values_{};
    std::uint64_t owed_axes_ = 0; ///< bit n: owed_values_[n] was not told
    bool is_behind_ = false;      ///< a group was dropped and not made up for
    std::uint64_t dropped_ = 0;
};

} // namespace hvisor::devices::input
