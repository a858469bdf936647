// SPDX-License-Identifier: Apache-2.0
#include "zone/restarts.hpp"
#include "manager_rig.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <format>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace restarts_test {

using namespace hvisor::zone;
using namespace std::chrono_literals;
using test::changed;

namespace {

Restarts::Run run() {
    auto file = read_zone_file(ConfigText{"z.json", std::string(good_zone)});
    REQUIRE(file);
    return {.file = std::move(*file), .virtio = nullptr, .files = nullptr};
}

/// As the service does once a second, until the zone is in that state.
bool refresh_until(Bench& bench, State state) {
    for (int i = 0; i < 500; ++i) {
        bench.manager.refresh();
        if (bench.zone("linux2").state == state) {
            return true;
        }
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

} // namespace

TEST_CASE("a zone waits longer each time it ends, and a minute at most") {
    Restarts restarts;
    restarts.remember("a", RestartPolicy::always, run());
    auto now = Restarts::Clock::now();
    std::vector<std::chrono::seconds> delays;
    for (int i = 0; i < 8; ++i) {
        const auto delay = restarts.ended("a", State::stopped, 3s, now);
        REQUIRE(delay);
        delays.push_back(*delay);
        // While it waits, it is not told of again.
        CHECK(restarts.ended("a", State::stopped, 3s, now) == std::nullopt);
        CHECK(restarts.due(now + *delay - 1ms).empty());
        now += *delay;
        REQUIRE(restarts.due(now).size() == 1);
        CHECK(restarts.due(now).empty());
        restarts.remember("a", RestartPolicy::always, run());
    }
    CHECK(delays == std::vector<std::chrono::seconds>{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s});
    // A run of a minute is a good one.
    CHECK(restarts.ended("a", State::stopped, 60s, now) == 1s);
}

TEST_CASE("what is started again is what its policy says") {
    Restarts restarts;
    const auto now = Restarts::Clock::now();
    restarts.remember("failing", RestartPolicy::on_failure, run());
    restarts.remember("always", RestartPolicy::always, run());
    CHECK(restarts.ended("failing", State::stopped, 1s, now) == std::nullopt);
    CHECK(restarts.ended("failing", State::failed, 1s, now) == 1s);
    CHECK(restarts.ended("always", State::running, 1s, now) == std::nullopt);
    CHECK(restarts.ended("always", State::failed, 1s, now) == 1s);
    CHECK(restarts.ended("unknown", State::failed, 1s, now) == std::nullopt);
    restarts.forget("always");
    CHECK(restarts.due(now + 1h).size() == 1);
    CHECK(restarts.failed("failing", now) == 2s);
}

TEST_CASE("a guest that powers itself off is started again where its file wants that") {
    Bench bench;
    const auto started = bench.start(kept("always"), "");
    INFO(message(started));
    REQUIRE(started);
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    // The objects stay, and say what happens.
    CHECK(bench.zone("linux2").state == State::starting);
    CHECK(bench.zone("linux2").reason == "the guest has powered itself off; it is started again in 1s");
    CHECK(refresh_until(bench, State::running));
    CHECK(bench.read_magic() == magic_value);
    CHECK(bench.zone("linux2").reason.empty());

    // Who shuts it down means it.
    REQUIRE(bench.manager.shutdown("linux2"));
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::stopped);
    std::this_thread::sleep_for(1100ms);
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::stopped);
}

TEST_CASE("who ends a zone that waits for its next start ends none that has its number by now") {
    Bench bench;
    REQUIRE(bench.start(kept("always"), ""));
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    REQUIRE(bench.zone("linux2").state == State::starting);
    REQUIRE(bench.start(changed(kept("never"), R"("linux2")", R"("other")"), ""));
    REQUIRE(bench.manager.shutdown("linux2"));
    CHECK(bench.zone("linux2").state == State::stopped);
    CHECK(bench.zone("other").state == State::running);
    CHECK(bench.hypervisor.list_zones()->size() == 2);
    CHECK(bench.read_magic() == magic_value);
}

TEST_CASE("a zone that fails is shut down and started again where its file wants that") {
    Bench bench;
    REQUIRE(bench.start(kept("on-failure"), ""));
    // Outside of all windows: the hypervisor marks the zone.
    CHECK_FALSE(bench.hypervisor.real().guest_read(2, 0x1000, 4));
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::starting);
    CHECK(bench.zone("linux2").reason.contains("the hypervisor has marked it as failed"));
    CHECK(bench.hypervisor.list_zones()->size() == 1);
    CHECK(refresh_until(bench, State::running));

    // One that ends in good order has done what it was for.
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::stopped);
}

TEST_CASE("a zone that cannot be started again stays known, and the next try comes later") {
    Bench bench;
    REQUIRE(bench.start(kept("always"), ""));
    bench.hypervisor.fail_start = hvisor::Error{hvisor::ErrorCode::resource_busy, "a CPU is busy"};
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    bool has_tried = false;
    for (int i = 0; i < 300 && !has_tried; ++i) {
        std::this_thread::sleep_for(10ms);
        bench.manager.refresh();
        const ZoneState zone = bench.zone("linux2");
        CHECK(zone.state == State::starting);
        has_tried = zone.reason.starts_with("it could not be started again: ") &&
                    zone.reason.ends_with("; it is started again in 2s");
    }
    CHECK(has_tried);
    // A person can end that.
    bench.hypervisor.fail_start.reset();
    CHECK(bench.manager.shutdown("linux2"));
    CHECK(bench.zone("linux2").state == State::stopped);
    CHECK(bench.start(kept("never"), ""));
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    CHECK(bench.zone("linux2").state == State::stopped);
}

} // namespace restarts_test
