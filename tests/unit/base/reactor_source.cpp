// SPDX-License-Identifier: Apache-2.0
#include "base/reactor.hpp"

#include "kit/wait.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <sys/epoll.h>
#include <sys/eventfd.h>

using namespace hvisor;
using kit::eventually;

namespace {

/// Work that is a number in memory; whoever adds some while the reactor sleeps wakes it.
class Numbers final : public Reactor::Source {
  public:
    void add(int count = 1) {
        waiting_ += count;
        if (wanted_) {
            ::eventfd_write(event.get(), 1);
        }
    }

    [[nodiscard]] bool is_idle() const override {
        ++looks;
        return waiting_ == 0;
    }
    bool serve() override {
        const int found = waiting_.exchange(0);
        served += found;
        return found != 0;
    }
    [[nodiscard]] Reactor::Clock::duration poll_window() const override { return window; }
    [[nodiscard]] bool begin_sleep() override {
        wanted_ = true;
        ++sleeps;
        return waiting_ == 0;
    }
    void end_sleep(Reactor::Clock::duration, bool timed_out) override {
        wanted_ = false;
        timeouts += timed_out ? 1 : 0;
    }
    [[nodiscard]] Reactor::Clock::duration max_sleep() const override { return longest; }

    std::atomic<int> served{0};
    std::atomic<int> sleeps{0};
    std::atomic<int> timeouts{0};
    mutable std::atomic<long> looks{0};
    std::chrono::nanoseconds window{0};
    std::chrono::milliseconds longest{10000};
    UniqueFd event{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

  private:
    std::atomic<int> waiting_{0};
    std::atomic<bool> wanted_{false};
};

std::unique_ptr<Reactor> start(Numbers& source) {
    auto reactor = Reactor::start({.name = "test", .cpus = {}, .on_crash = {}}, &source);
    REQUIRE(reactor);
    (*reactor)->call(
        [&] { REQUIRE((*reactor)->watch(source.event.get(), EPOLLIN | EPOLLET, [](std::uint32_t) {})); });
    return std::move(*reactor);
}

} // namespace

TEST_CASE("a source is served whether the reactor sleeps or not") {
    Numbers source;
    const auto reactor = start(source);
    for (int i = 1; i <= 5000; ++i) {
        source.add();
        if (i % 7 == 0) {
            REQUIRE(eventually([&] { return source.served == i; }));
        }
    }
    CHECK(eventually([&] { return source.served == 5000; }));
    CHECK(source.sleeps > 0);
}

TEST_CASE("work in the middle of a callback can serve the source") {
    Numbers source;
    const auto reactor = start(source);
    reactor->call([&] {
        source.add(3);
        CHECK(source.served == 0);
        reactor->breathe();
        CHECK(source.served == 3);
    });
}

TEST_CASE("a wake-up that gets lost costs the longest sleep, not for ever") {
    Numbers source;
    source.longest = std::chrono::milliseconds(20);
    const auto reactor = start(source);
    CHECK(eventually([&] { return source.timeouts >= 3; }));
    CHECK(source.served == 0);
}

TEST_CASE("descriptors get their turn while the source is never idle") {
    Numbers source;
    const auto reactor = start(source);
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    std::atomic<bool> reported{false};
    reactor->call([&] {
        REQUIRE(reactor->watch(event.get(), EPOLLIN, [&](std::uint32_t) {
            reported = true;
            reactor->pause(event.get());
        }));
    });
    std::atomic<bool> stop{false};
    std::jthread flood([&] {
        while (!stop) {
            source.add();
        }
    });
    ::eventfd_write(event.get(), 1);
    CHECK(eventually([&] { return reported.load(); }));
    stop = true;
    flood.join();
    reactor->call([&] { reactor->unwatch(event.get()); });
}

TEST_CASE("descriptors and timers get their turn while the source is polled for") {
    Numbers source;
    source.window = std::chrono::hours(1);
    const auto reactor = start(source);
    const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    std::atomic<bool> reported{false};
    std::atomic<bool> due{false};
    std::optional<Reactor::Timer> timer;
    reactor->call([&] {
        REQUIRE(reactor->watch(event.get(), EPOLLIN | EPOLLET, [&](std::uint32_t) { reported = true; }));
        timer.emplace(*reactor, [&] { due = true; });
        timer->set(Reactor::Clock::now() + std::chrono::milliseconds(20));
    });
    ::eventfd_write(event.get(), 1);
    CHECK(eventually([&] { return reported && due; }));
    CHECK(source.sleeps == 0);
    reactor->call([&] {
        timer.reset();
        reactor->unwatch(event.get());
    });
}

TEST_CASE("nothing is polled for while others work for the reactor") {
    Numbers source;
    source.window = std::chrono::milliseconds(30);
    source.longest = std::chrono::milliseconds(1);
    const auto reactor = start(source);
    constexpr int many = 20'000;
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(eventually([&] { return source.looks >= many; }));
    const auto took = std::chrono::steady_clock::now() - begin;
    reactor->call([&] { reactor->begin_wait(1); });
    const auto before = source.looks.load();
    std::this_thread::sleep_for(took);
    CHECK((source.looks - before) * 5 < many);
    reactor->call([&] { reactor->end_wait(1); });
}

TEST_CASE("what a wake-up takes is measured, each time from a sleep") {
    Numbers source;
    const auto reactor = start(source);
    const int sleeps = source.sleeps;
    const auto took = reactor->measure_wake_up();
    CHECK(took > std::chrono::nanoseconds::zero());
    CHECK(took < kit::patience);
    CHECK(eventually([&] { return source.sleeps >= sleeps + 5; }));
}
