// SPDX-License-Identifier: Apache-2.0
#include "service/power_offs.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace power_offs_test {

using namespace hvisor;
using namespace hvisor::service;
using namespace std::chrono_literals;

namespace {

zone::ZoneState zone_in(zone::State state, std::string name = "linux2") {
    zone::ZoneState zone;
    zone.name = std::move(name);
    zone.state = state;
    return zone;
}

struct Bench {
    PowerOffs power_offs;
    PowerOffs::Clock::time_point now = PowerOffs::Clock::now();
    std::optional<bool> has_gone;

    Bench() {
        power_offs.await("linux2", now + 60s, [this](bool gone) { has_gone = gone; });
    }
    void update(const std::vector<zone::ZoneState>& zones) { power_offs.update(zones, now); }
};

} // namespace

TEST_CASE("a zone that was asked to power itself off is waited for until it has") {
    Bench bench;
    bench.update({zone_in(zone::State::stopping)});
    CHECK_FALSE(bench.has_gone);
    bench.update({zone_in(zone::State::stopped)});
    CHECK(bench.has_gone == true);
}

TEST_CASE("a zone that is configured no more has gone, too") {
    Bench bench;
    bench.update({zone_in(zone::State::stopping, "other")});
    CHECK(bench.has_gone == true);
}

TEST_CASE("a zone that does not power itself off in its time is not waited for") {
    Bench bench;
    bench.now += 59s;
    bench.update({zone_in(zone::State::stopping)});
    CHECK_FALSE(bench.has_gone);
    bench.now += 1s;
    bench.update({zone_in(zone::State::stopping)});
    CHECK(bench.has_gone == false);
}

TEST_CASE("a zone that fails instead is not waited for") {
    Bench bench;
    bench.update({zone_in(zone::State::failed)});
    CHECK(bench.has_gone == false);
}

} // namespace power_offs_test
