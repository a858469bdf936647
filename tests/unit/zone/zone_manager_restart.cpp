// SPDX-License-Identifier: Apache-2.0
#include "manager_rig.hpp"

#include <catch2/catch_test_macros.hpp>

#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace zone_manager_restart_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using test::changed;

namespace {

/// The good zone as a configured one.
void configure(const Bench& bench, std::string_view zone = good_zone) {
    bench.directory.write("camera.json", zone);
    bench.directory.write("camera.virtio.json", good_virtio);
}

} // namespace

TEST_CASE("a restarted zone is never stopped on the way, and has its files as they are now") {
    Bench bench;
    configure(bench);
    REQUIRE(bench.manager.start_configured("camera"));
    configure(bench, changed(good_zone, "[2, 3]", "[3]"));
    std::set<State> seen;
    const auto look = [&] { seen.insert(bench.zone("linux2").state); };
    bench.manager.on_change(look);
    bench.hypervisor.before_load = look;

    const auto started = bench.manager.restart("linux2");
    INFO(message(started));
    REQUIRE(started);
    CHECK(*started == "linux2");
    CHECK(bench.zone("linux2").state == State::running);
    CHECK(bench.zone("linux2").cpus == std::vector<std::uint32_t>{3});
    CHECK(seen == std::set{State::starting, State::running});
    CHECK(bench.hypervisor.real().panicked().empty());
    bench.manager.on_change({});
}

TEST_CASE("a zone whose files are wrong is not shut down for a restart") {
    Bench bench;
    configure(bench);
    REQUIRE(bench.manager.start_configured("camera"));
    configure(bench, "{");
    const auto restarted = bench.manager.restart("linux2");
    REQUIRE_FALSE(restarted);
    CHECK(restarted.error().code == ErrorCode::invalid_config);
    CHECK(bench.zone("linux2").state == State::running);
}

TEST_CASE("a zone that cannot be started again says that it is shut down") {
    Bench bench;
    configure(bench);
    REQUIRE(bench.manager.start_configured("camera"));
    std::filesystem::remove(bench.directory.path() / "Image");
    const auto restarted = bench.manager.restart("linux2");
    REQUIRE_FALSE(restarted);
    CHECK(restarted.error().code == ErrorCode::not_found);
    CHECK(
        restarted.error().message.starts_with("zone linux2 is shut down, and could not be started again: "));
    CHECK(restarted.error().message.contains("Image: No such file or directory"));
    CHECK(bench.zone("linux2").state == State::stopped);
}

TEST_CASE("a zone that a caller has configured is restarted from what the caller gave") {
    Bench bench;
    REQUIRE(bench.start());
    for (int round = 0; round < 2; ++round) {
        const auto restarted = bench.manager.restart("linux2");
        INFO(message(restarted));
        REQUIRE(restarted);
        CHECK(bench.zone("linux2").state == State::running);
        CHECK(bench.read_magic() == magic_value);
    }
}

TEST_CASE("what does not run by this daemon cannot be restarted") {
    Bench bench;
    CHECK(bench.manager.restart("linux2").error().code == ErrorCode::no_such_zone);
    bench.hypervisor.real().add_zone(2, "other", 0x8, {});
    CHECK(bench.manager.restart("other").error().code == ErrorCode::no_such_zone);
    REQUIRE(bench.manager.shutdown("other"));
    REQUIRE(bench.start());
    REQUIRE(bench.manager.shutdown("linux2"));
    CHECK(bench.manager.restart("linux2").error().code == ErrorCode::wrong_state);
    CHECK(bench.manager.restart("root-linux").error().code == ErrorCode::no_such_zone);
}

TEST_CASE("the files of a zone that has ended by itself are closed") {
    Bench bench;
    REQUIRE(bench.start());
    REQUIRE(bench.manager.shutdown("linux2"));
    REQUIRE(bench.start());
    const Holdings while_running;
    bench.hypervisor.real().power_off(1);
    bench.manager.refresh();
    REQUIRE(bench.zone("linux2").state == State::stopped);
    CHECK(bench.manager.restart("linux2").error().code == ErrorCode::wrong_state);
    CHECK(Holdings().files <= while_running.files);
}

TEST_CASE("a start that is cancelled ends soon and leaves nothing behind") {
    Bench bench;
    constexpr std::size_t size = 4096UL * 1024;
    bench.directory.write("Image", test::arm64_image(size).append(size - 64, 'k'));
    // Once through, so that what is kept for ever is there already.
    REQUIRE(bench.start());
    REQUIRE(bench.manager.shutdown("linux2"));
    bench.hypervisor.fail_start = hvisor::Error{ErrorCode::hypervisor_refused, "no"};
    REQUIRE_FALSE(bench.start());
    bench.hypervisor.fail_start.reset();
    const Holdings before;

    std::stop_source stop;
    std::string named;
    int loads = 0;
    bench.hypervisor.before_load = [&] {
        if (++loads == 2) {
            stop.request_stop();
        }
    };
    const auto started = bench.manager.start(
        bench.text("z.json", good_zone), bench.text("v.json", good_virtio),
        FileTable{.files = {}, .may_open = true},
        {.stop = stop.get_token(), .named = [&](const std::string& name) { named = name; }, .progress = {}});
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ErrorCode::cancelled);
    CHECK(started.error().message.contains("the start of zone linux2 was cancelled"));
    CHECK(named == "linux2");
    CHECK(loads == 2);
    CHECK(bench.hypervisor.list_zones()->size() == 1);
    CHECK(bench.zone("linux2").name.empty());
    CHECK(before == Holdings());
    bench.hypervisor.before_load = {};
    CHECK(bench.start());
}

} // namespace zone_manager_restart_test
