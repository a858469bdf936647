// SPDX-License-Identifier: Apache-2.0
// What becomes of events that a guest does not take.
#include "devices/input/event_store.hpp"
#include "input_rig.hpp"

#include <algorithm>
#include <random>
#include <set>

namespace input_store_test {

using namespace hvisor;
using namespace hvisor::devices::input;

namespace {

/// What a driver knows when it has taken events until there are no more.
struct Listener {
    void take_all(EventStore& store) {
        while (const auto event = store.front()) {
            take(*event);
            store.pop();
        }
    }
    void take(const Event& event) {
        if (event == report) {
            CHECK(in_group > 0); // no empty ones
            in_group = 0;
            ++groups;
            return;
        }
        ++in_group;
        if (event.type == EventType::key) {
            CHECK(down.contains(event.code) == (event.value == key_up));
            event.value == key_up ? static_cast<void>(down.erase(event.code))
                                  : static_cast<void>(down.insert(event.code));
        } else if (event.type == EventType::absolute && event.code == ABS_MT_SLOT) {
            slot = event.value;
        } else if (event.type == EventType::absolute && event.code == ABS_MT_TRACKING_ID) {
            event.value < 0 ? static_cast<void>(fingers.erase(slot))
                            : static_cast<void>(fingers.insert(slot));
        } else if (event.type == EventType::absolute) {
            axes[event.code] = event.value;
        }
        order.push_back(event);
    }

    std::set<std::uint16_t> down;
    std::set<std::int32_t> fingers;
    std::map<std::uint16_t, std::int32_t> axes;
    std::int32_t slot = 0;
    std::size_t groups = 0;
    std::size_t in_group = 0;
    Events order;
};

/// Until there is no room for a group of `size` events.
void fill_up(EventStore& store, std::size_t size = 1) {
    const auto before = store.dropped();
    for (std::int32_t i = 1; store.dropped() == before; ++i) {
        store.put(Events(size, step(REL_X, i)));
    }
}

} // namespace

TEST_CASE("a store that nobody empties keeps a fixed number of events, in whole groups") {
    EventStore::State state;
    EventStore store(state);
    for (int i = 0; i < 100'000; ++i) {
        store.put(Events{step(REL_X, i), step(REL_Y, i), step(REL_WHEEL, i)});
    }
    CHECK(state.count <= EventStore::capacity);
    CHECK(state.count == EventStore::capacity / 4 * 4);
    CHECK(store.dropped() == (100'000 - EventStore::capacity / 4) * 3);
    std::int32_t next = 0;
    while (store.front()) {
        for (const auto code : {REL_X, REL_Y, REL_WHEEL}) {
            REQUIRE(store.front() == step(static_cast<std::uint16_t>(code), next));
            store.pop();
        }
        REQUIRE(store.front() == report);
        store.pop();
        ++next;
    }
}

TEST_CASE("a key whose release was dropped goes up when there is room") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    store.put(Events{key(KEY_A, 1)});
    fill_up(store);
    store.put(Events{key(KEY_A, 0)});
    store.put(Events{key(KEY_B, 1)});
    store.put(Events{key(KEY_B, 0)});
    CHECK(store.dropped() == 3); // the last step, and two of these: B is up for the driver anyway
    listener.take_all(store);
    CHECK(listener.down.empty());
    CHECK(listener.order.back() == key(KEY_A, 0));
    // From here on all is as ever.
    store.put(Events{key(KEY_A, 1)});
    listener.take_all(store);
    CHECK(listener.down == std::set<std::uint16_t>{KEY_A});
}

TEST_CASE("a key that is pressed again before its release was told stays down") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    store.put(Events{key(KEY_A, 1)});
    fill_up(store);
    store.put(Events{key(KEY_A, 0)});
    store.put(Events{key(KEY_A, 1)});
    listener.take_all(store);
    CHECK(listener.down == std::set<std::uint16_t>{KEY_A});
    store.put(Events{key(KEY_A, 0)});
    listener.take_all(store);
    CHECK(listener.down.empty());
}

TEST_CASE("a pointer is where it stopped, and its button goes up there") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    store.put(Events{axis(ABS_X, 1), axis(ABS_Y, 1), key(BTN_LEFT, 1)});
    fill_up(store);
    store.put(Events{axis(ABS_X, 500)});
    store.put(Events{axis(ABS_X, 700), axis(ABS_Y, 900)});
    store.put(Events{key(BTN_LEFT, 0)});
    listener.take_all(store);
    CHECK(listener.axes[ABS_X] == 700);
    CHECK(listener.axes[ABS_Y] == 900);
    CHECK(listener.down.empty());
    REQUIRE(listener.order.size() >= 3);
    CHECK(Events(listener.order.end() - 3, listener.order.end()) ==
          Events{axis(ABS_X, 700), axis(ABS_Y, 900), key(BTN_LEFT, 0)});
    // The place that was made up for is known: it is not told twice.
    store.put(Events{axis(ABS_X, 700), axis(ABS_Y, 900)});
    CHECK_FALSE(store.front());
}

TEST_CASE("an axis is told when it changes, also twice in a group") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    store.put(Events{axis(ABS_X, 0)}); // not known yet, so it is told
    store.put(Events{axis(ABS_X, 0)});
    store.put(Events{axis(ABS_X, 5), axis(ABS_X, 0)});
    listener.take_all(store);
    CHECK(listener.order == Events{axis(ABS_X, 0), axis(ABS_X, 5), axis(ABS_X, 0)});
}

TEST_CASE("a finger whose end was dropped is taken off, and the others keep their slots") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    store.put(Events{axis(ABS_MT_SLOT, 0), axis(ABS_MT_TRACKING_ID, 10), axis(ABS_MT_SLOT, 2),
                     axis(ABS_MT_TRACKING_ID, 12)});
    fill_up(store);
    store.put(Events{axis(ABS_MT_SLOT, 0), axis(ABS_MT_TRACKING_ID, -1)});
    listener.take_all(store);
    CHECK(listener.fingers == std::set<std::int32_t>{2});
    fill_up(store);
    store.put(Events{axis(ABS_MT_SLOT, 2), axis(ABS_MT_POSITION_X, 5)});
    listener.take_all(store);
    // The driver was told of slot 0 last: what belongs to 2 goes there.
    store.put(Events{axis(ABS_MT_POSITION_X, 6)});
    listener.take_all(store);
    CHECK(listener.slot == 2);
    store.release_all();
    listener.take_all(store);
    CHECK(listener.fingers.empty());
}

TEST_CASE("every key at once fits what is kept for releases") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    for (std::uint16_t code = 1; code < max_codes; ++code) {
        store.put(Events{key(code, 1)});
        listener.take_all(store);
    }
    CHECK(listener.down.size() == max_codes - 1);
    fill_up(store);
    store.release_all();
    listener.take_all(store);
    CHECK(listener.down.empty());
}

TEST_CASE("what another process has left goes on, and its keys go up") {
    EventStore::State state;
    EventStore store(state);
    Listener listener;
    store.put(Events{key(KEY_A, 1)});
    listener.take_all(store);
    store.put(Events{key(KEY_B, 1)});
    store.put(Events{axis(ABS_X, 4)});
    auto left = state;
    EventStore next(left);
    next.go_on();
    listener.take_all(next);
    CHECK(listener.axes[ABS_X] == 4);
    CHECK(listener.down.empty());
    CHECK(listener.order.back() == key(KEY_B, 0));
    // Of nonsense no more than the memory that there is.
    auto broken = state;
    broken.first = UINT32_MAX;
    broken.count = UINT32_MAX;
    EventStore other(broken);
    other.go_on();
    std::size_t count = 0;
    for (; other.front(); ++count) {
        other.pop();
    }
    CHECK(count >= EventStore::capacity);
    CHECK(count < EventStore::capacity + max_codes);
}

TEST_CASE("whatever is sent and however slowly it is taken, both sides agree in the end") {
    for (unsigned seed = 0; seed < 50; ++seed) {
        INFO("seed " << seed);
        std::minstd_rand random(seed);
        const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
        EventStore::State state;
        EventStore store(state);
        Listener listener;
        std::set<std::uint16_t> held;
        std::map<std::uint16_t, std::int32_t> axes;
        for (int n = 0; n < 3000; ++n) {
            Events group;
            for (auto count = 1 + below(5); count > 0; --count) {
                const auto code = static_cast<std::uint16_t>(KEY_A + below(8));
                switch (below(4)) {
                case 0:
                    group.push_back(
                        axis(static_cast<std::uint16_t>(below(3)), static_cast<std::int32_t>(below(50))));
                    axes[group.back().code] = group.back().value;
                    break;
                case 1:
                    group.push_back(step(REL_X, 1));
                    break;
                default:
                    group.push_back(key(code, held.contains(code) ? 0 : 1));
                    held.contains(code) ? static_cast<void>(held.erase(code))
                                        : static_cast<void>(held.insert(code));
                    break;
                }
            }
            store.put(group);
            REQUIRE(state.count <= EventStore::capacity);
            for (auto count = below(5); count > 0 && store.front(); --count) {
                listener.take(*store.front());
                store.pop();
            }
        }
        listener.take_all(store);
        CHECK(store.dropped() > 0);
        // No key is down that is up; of those that are down some presses were dropped.
        CHECK(std::ranges::includes(held, listener.down));
        CHECK(listener.axes == axes);
        store.release_all();
        listener.take_all(store);
        CHECK(listener.down.empty());
    }
}

} // namespace input_store_test
