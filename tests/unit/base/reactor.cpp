// SPDX-License-Identifier: Apache-2.0
#include "base/reactor.hpp"

#include "kit/wait.hpp"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace hvisor;
using kit::eventually;

namespace {

std::unique_ptr<Reactor> start() {
    auto reactor = Reactor::start({.name = "test", .cpus = {}, .on_crash = {}});
    REQUIRE(reactor);
    return std::move(*reactor);
}

} // namespace

TEST_CASE("a reactor runs tasks on its own thread, in order") {
    const auto reactor = start();
    std::vector<int> order;
    std::thread::id thread;
    reactor->post([&] { order.push_back(1); });
    reactor->post([&] { order.push_back(2); });
    reactor->call([&] {
        order.push_back(3);
        thread = std::this_thread::get_id();
        reactor->call([&] { order.push_back(4); });
    });
    CHECK(order == std::vector{1, 2, 3, 4});
    CHECK(thread != std::this_thread::get_id());
}

TEST_CASE("a stopped reactor has run every task, and runs later ones at once") {
    const auto reactor = start();
    int ran = 0;
    for (int i = 0; i < 100; ++i) {
        reactor->post([&] { ++ran; });
    }
    reactor->stop();
    CHECK(ran == 100);
    reactor->call([&] { ++ran; });
    CHECK(ran == 101);
}

TEST_CASE("no wake() is lost, whenever it comes") {
    const auto reactor = start();
    std::atomic<int> wanted{0};
    std::atomic<int> seen{0};
    Reactor::Waker waker(*reactor, [&] { seen = wanted.load(); });
    for (int i = 1; i <= 20000; ++i) {
        wanted = i;
        waker.wake();
        if (i % 7 == 0) {
            // Let it fall asleep, or not quite.
            REQUIRE(eventually([&] { return seen == i; }));
        }
    }
    CHECK(eventually([&] { return seen == 20000; }));
}

TEST_CASE("a timer fires once, not before its time") {
    const auto reactor = start();
    const auto begin = Reactor::Clock::now();
    std::atomic<int> fired{0};
    Reactor::Clock::time_point when;
    Reactor::Timer timer(*reactor, [&] {
        when = Reactor::Clock::now();
        ++fired;
    });
    reactor->call([&] { timer.set(begin + std::chrono::milliseconds(20)); });
    REQUIRE(eventually([&] { return fired == 1; }));
    CHECK(when - begin >= std::chrono::milliseconds(20));

    reactor->call([&] {
        timer.set(Reactor::Clock::now() + std::chrono::milliseconds(5));
        timer.cancel();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    CHECK(fired == 1);
}

TEST_CASE("a paused descriptor reports nothing, not even a hang-up") {
    const auto reactor = start();
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    std::atomic<int> events{0};
    reactor->call([&] {
        REQUIRE(reactor->watch(ours.get(), 0, [&](std::uint32_t) {
            ++events;
            reactor->pause(ours.get());
        }));
    });
    theirs.reset();
    REQUIRE(eventually([&] { return events == 1; }));
    reactor->call([&] { reactor->rewatch(ours.get(), EPOLLIN); });
    CHECK(eventually([&] { return events == 2; }));
    reactor->call([&] { reactor->unwatch(ours.get()); });
}

TEST_CASE("an exception in a callback does not end the reactor") {
    const auto reactor = start();
    reactor->call([] { throw std::runtime_error("on purpose"); });
    bool ran = false;
    reactor->call([&] { ran = true; });
    CHECK(ran);
}
