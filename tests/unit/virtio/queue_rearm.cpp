// SPDX-License-Identifier: Apache-2.0
#include "kit/sanitizer.hpp"
#include "queue_rig.hpp"

#include <bit>
#include <catch2/generators/catch_generators.hpp>
#include <csignal>
#include <functional>
#include <sys/mman.h>
#include <utility>

using namespace hvisor;
using namespace hvisor::virtio;

// A device that goes to sleep, or a driver that does, and the other one that
// just has something for it: nothing gets lost between them.

namespace {

constexpr std::size_t tiny_ram = 4096;

/// A device as serve() is one, which does one step at a time.
class SteppedDevice {
  public:
    explicit SteppedDevice(Queue& queue) : queue_(queue) {}

    void kick() { kicked_ = true; }
    [[nodiscard]] bool can_step() const { return state_ != State::asleep || kicked_; }
    void step() {
        switch (state_) {
        case State::asleep:
            kicked_ = false;
            state_ = State::mute;
            break;
        case State::mute:
            queue_.disable_notifications();
            state_ = State::take;
            break;
        case State::take:
            if (auto chain = queue_.pop(); chain && *chain) {
                ++taken_;
            } else {
                state_ = State::rearm;
            }
            break;
        case State::rearm:
            state_ = queue_.enable_notifications() ? State::mute : State::asleep;
            break;
        }
    }
    [[nodiscard]] unsigned taken() const { return taken_; }

  private:
    enum class State { asleep, mute, take, rearm };
    Queue& queue_;
    State state_ = State::asleep;
    bool kicked_ = false;
    unsigned taken_ = 0;
};

/// A driver that adds chains, and after each looks whether it has to notify.
class SteppedDriver {
  public:
    SteppedDriver(QueueRig& rig, unsigned chains) : rig_(rig), left_(2 * chains) {}

    [[nodiscard]] bool can_step() const { return left_ != 0; }
    void step(SteppedDevice& device) {
        if (left_-- % 2 == 0) {
            rig_.add(1 + left_ / 2 % 2);
        } else if (rig_.driver->needs_kick()) {
            device.kick();
        }
    }

  private:
    QueueRig& rig_;
    unsigned left_;
};

/// Runs `step` at the moment of the next store to a guest's memory, before it.
class BeforeNextStore {
  public:
    BeforeNextStore(const kit::Ram& ram, std::function<void()> step)
        : memory_(ram.at(ram.address())), size_(ram.size()), step_(std::move(step)) {
        current = this;
        struct sigaction action{};
        action.sa_handler = [](int) { current->fault(); };
        REQUIRE(::sigaction(SIGSEGV, &action, &before_) == 0);
        REQUIRE(::mprotect(memory_, size_, PROT_READ) == 0);
    }
    BeforeNextStore(const BeforeNextStore&) = delete;
    BeforeNextStore& operator=(const BeforeNextStore&) = delete;
    BeforeNextStore(BeforeNextStore&&) = delete;
    BeforeNextStore& operator=(BeforeNextStore&&) = delete;
    ~BeforeNextStore() {
        ::mprotect(memory_, size_, PROT_READ | PROT_WRITE);
        ::sigaction(SIGSEGV, &before_, nullptr);
    }
    [[nodiscard]] bool happened() const { return happened_; }

  private:
    void fault() {
        // Returning from here makes the store again.
        ::mprotect(memory_, size_, PROT_READ | PROT_WRITE);
        ::sigaction(SIGSEGV, &before_, nullptr);
        happened_ = true;
        step_();
    }

    static inline BeforeNextStore* current = nullptr;
    void* memory_;
    std::size_t size_;
    std::function<void()> step_;
    struct sigaction before_{};
    volatile bool happened_ = false;
};

} // namespace

TEST_CASE(
    "in every interleaving of its steps with the driver's a device takes all there is before it sleeps") {
    const auto features = GENERATE(plain, event_idx, plain | packed, event_idx | packed);
    constexpr unsigned chains = 2;
    // A schedule is a number whose bit n says that the driver makes step n. It
    // makes two steps a chain, and the device five when it sleeps in between.
    constexpr unsigned steps = 18;
    unsigned slept_between = 0;
    for (std::uint32_t schedule = 0; schedule < (1U << steps); ++schedule) {
        if (std::popcount(schedule) != 2 * chains) {
            continue;
        }
        QueueRig rig(features, 8, tiny_ram);
        SteppedDevice device(rig.queue);
        SteppedDriver driver(rig, chains);
        static_cast<void>(rig.queue.enable_notifications());
        for (unsigned n = 0; driver.can_step() || device.can_step(); ++n) {
            const bool driver_first = n >= steps || (schedule >> n & 1) != 0;
            if (driver.can_step() && (driver_first || !device.can_step())) {
                slept_between += device.can_step() ? 0U : 1U;
                driver.step(device);
            } else {
                device.step();
            }
        }
        if (device.taken() != chains) {
            CAPTURE(schedule);
            REQUIRE(device.taken() == chains);
        }
    }
    CHECK(slept_between > 1000);
}

TEST_CASE("what a driver adds just before it could see that it has to notify is seen") {
    if (kit::has_thread_sanitizer) {
        SKIP("the driver acts in a signal handler, where TSan allows nothing");
    }
    // It looked before the device's store, so the device has to look after it.
    QueueRig rig(GENERATE(plain, event_idx, plain | packed, event_idx | packed), 8, tiny_ram);
    CHECK_FALSE(rig.queue.enable_notifications());
    rig.queue.disable_notifications();
    for (int i = 0; i < 20; ++i) {
        rig.add();
        static_cast<void>(rig.driver->needs_kick());
        rig.serve();
        REQUIRE(rig.driver->take_used());

        bool notifies = true;
        const BeforeNextStore driver(rig.ram, [&] {
            rig.add();
            notifies = rig.driver->needs_kick();
        });
        const bool looks_again = rig.queue.enable_notifications();
        REQUIRE(driver.happened());
        CHECK_FALSE(notifies);
        CHECK(looks_again);
        rig.queue.disable_notifications();
        rig.serve();
        REQUIRE(rig.driver->take_used());
    }
}

TEST_CASE(
    "a driver that falls asleep just before or after a used entry is shown is interrupted, or sees it") {
    if (kit::has_thread_sanitizer) {
        SKIP("the driver acts in a signal handler, where TSan allows nothing");
    }
    const auto features = GENERATE(plain, event_idx, plain | packed, event_idx | packed);
    QueueRig rig(features, 8, tiny_ram);
    for (int i = 0; i < 20; ++i) {
        bool seen = false;
        const auto fall_asleep = [&] {
            // virtio 1.2, 2.7.7.1: ask, then look once more.
            if (features.has(FeatureBit::ring_event_idx)) {
                rig.driver->want_interrupt_at(0);
            } else {
                rig.driver->want_interrupts(true);
            }
            seen = rig.driver->has_used();
        };
        rig.driver->want_interrupts(false);
        rig.add();
        rig.pop().complete();
        if (i % 2 == 0) {
            const BeforeNextStore driver(rig.ram, fall_asleep);
            rig.publish();
            REQUIRE(driver.happened());
            CHECK_FALSE(seen);
            CHECK(rig.queue.take_interrupt_request());
        } else {
            rig.publish();
            fall_asleep();
            CHECK(seen);
        }
        static_cast<void>(rig.queue.take_interrupt_request());
        REQUIRE(rig.driver->take_used());
    }
}
