// SPDX-License-Identifier: Apache-2.0
#include "bus_client.hpp"
#include "daemon.hpp"

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace hvisor::test {
namespace {

using JobError = sdbus::Struct<std::string, std::string>;

const sdbus::ObjectPath first_job{"/org/syswonder/hvisor1/job/1"};
const Dictionary no_wait{{"wait", sdbus::Variant(false)}};

sdbus::ObjectPath path_of(const Dictionary& results, const char* key = "Job") {
    return results.at(key).get<sdbus::ObjectPath>();
}

/// Whether the job comes to its end, and to this one.
bool ends_as(sdbus::IConnection& connection, const sdbus::ObjectPath& path, const std::string& state) {
    Job job(connection, path);
    std::string now;
    return eventually([&] {
               now = job.State();
               return now != "waiting" && now != "running";
           }) &&
           now == state;
}

TEST_CASE("a start that nobody waits for is a job to look at", "[jobs]") {
    const Daemon daemon({"guest1"});
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    SignalLog signals;
    const auto results = manager.StartZone("guest1", no_wait);
    CHECK(path_of(results) == first_job);
    CHECK_FALSE(results.contains("Zone"));
    CHECK(signals.wait_for("added " + first_job));
    REQUIRE(ends_as(*connection, first_job, "done"));

    Job job(*connection, first_job);
    CHECK(job.Id() == 1);
    CHECK(job.Operation() == "start");
    CHECK(job.Zone() == "guest1");
    CHECK(job.Progress() == 100);
    CHECK(job.CreatedUSec() > 0);
    const JobError error = job.Error();
    CHECK((std::get<0>(error).empty() && std::get<1>(error).empty()));
    CHECK(Zone(*connection, guest_path).State() == "running");
    CHECK(managed_objects(manager).contains(first_job));
    CHECK(error_of([&] { job.Cancel({}); }) == "WrongState");
}

TEST_CASE("who waits gets the job and the zone, and the job stays a while", "[jobs]") {
    const Daemon daemon({"guest1"});
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    const auto results = manager.StartZone("guest1", {});
    CHECK(path_of(results, "Zone") == guest_path);
    CHECK(path_of(results) == first_job);
    CHECK(Job(*connection, first_job).State() == "done");
    const auto ended = Zone(*connection, guest_path).Shutdown({});
    CHECK(Job(*connection, path_of(ended)).Operation() == "shutdown");
    CHECK_FALSE(ended.contains("Zone"));
}

TEST_CASE("a job that fails has the error that a caller who waits would get", "[jobs]") {
    const Daemon daemon;
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    const auto job = path_of(manager.StartZone("nobody", no_wait));
    REQUIRE(ends_as(*connection, job, "failed"));
    const auto error = Job(*connection, job).Error();
    CHECK(std::get<0>(error) == "org.syswonder.hvisor1.Error.NoSuchZone");
    CHECK(std::get<1>(error).contains("nobody.json"));
}

TEST_CASE("a zone is restarted with its files as they are now, and has been nowhere else", "[jobs]") {
    const Daemon daemon({"guest1"});
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    manager.StartZone("guest1", {});
    Zone zone(*connection, guest_path);
    SignalLog signals;
    CHECK(path_of(zone.Restart({}), "Zone") == guest_path);
    CHECK(zone.State() == "running");
    for (const auto& line : signals.lines()) {
        CHECK(line != "removed " + guest_path);
    }
    manager.ShutdownZone("guest1", {});
    CHECK(error_of([&] { zone.Restart({}); }) == "WrongState");
}

/// A configuration with much to clear, so that its start takes a while.
std::string large_zone() {
    return ZoneFiles::zone_json({{R"("size": "0x1000000")", R"("size": "0x10000000")"},
                                 {R"("interrupts": [76, 78],)", R"("interrupts": [76, 78], "clear_ram": true,
                                    "devices": [],)"}});
}

TEST_CASE("what waits behind another job can be cancelled", "[jobs]") {
    const Daemon daemon({"guest1"});
    const auto connection = sdbus::createSessionBusConnection();
    Manager manager(*connection);
    const auto other = sdbus::createSessionBusConnection();
    Manager asking(*other);
    other->enterEventLoopAsync();
    // All three calls are there before the daemon looks at the first.
    daemon.freeze();
    const auto ignore = [](std::optional<sdbus::Error>, const Dictionary&) {
    }; // NOLINT(*-unnecessary-value-param)
    auto& proxy = asking.getProxy();
    proxy.callMethodAsync("StartZoneFromConfig")
        .onInterface(Manager::INTERFACE_NAME)
        .withArguments(std::string("large.json"), large_zone(), std::string(), std::string(),
                       zone_files(daemon.files()), no_wait)
        .uponReplyInvoke(ignore);
    proxy.callMethodAsync("StartZone")
        .onInterface(Manager::INTERFACE_NAME)
        .withArguments(std::string("guest1"), no_wait)
        .uponReplyInvoke(ignore);
    const auto second = sdbus::createProxy(*other, sdbus::ServiceName("org.syswonder.hvisor1"),
                                           sdbus::ObjectPath("/org/syswonder/hvisor1/job/2"));
    auto reply = second->callMethodAsync("Cancel")
                     .onInterface(Job::INTERFACE_NAME)
                     .withArguments(Dictionary{})
                     .getResultAsFuture<>();
    daemon.thaw();
    reply.get();
    REQUIRE(ends_as(*connection, sdbus::ObjectPath("/org/syswonder/hvisor1/job/2"), "cancelled"));
    REQUIRE(ends_as(*connection, first_job, "done"));
    other->leaveEventLoop();
}

TEST_CASE("hvisorctl lists jobs, waits for them and ends as they do", "[jobs]") {
    const Daemon daemon({"guest1"});
    const auto started = daemon.ctl({"zone", "start", "guest1", "--no-wait"});
    CHECK(started.status == 0);
    CHECK(started.output == "job 1\n");
    CHECK(daemon.ctl({"job", "wait", "1"}).status == 0);
    CHECK(daemon.ctl({"zone", "start", "guest1", "--no-wait", "--wait"}).status == 2);
    CHECK(daemon.ctl({"zone", "start", "guest1", "--no-wait"}).output == "job 2\n");
    const auto failed = daemon.ctl({"job", "wait", "2"});
    CHECK(failed.status == 7);
    CHECK(failed.errors.contains("guest1"));
    const auto list = daemon.ctl({"job", "list"});
    CHECK(list.output.contains("  1  start      guest1  done    100 %"));
    CHECK(list.output.contains("  2  start      guest1  failed    0 %  "));
    CHECK(daemon.ctl({"job", "list", "-o", "json"}).output.contains(R"("Operation": "start")"));
    CHECK(daemon.ctl({"job", "cancel", "2"}).status == 7);
    const auto unknown = daemon.ctl({"job", "wait", "77"});
    CHECK(unknown.status == 3);
    CHECK(unknown.errors.contains("there is no job 77"));
}

TEST_CASE("hvisorctl restarts a zone, and waits for its end", "[jobs]") {
    const Daemon daemon({"guest1"});
    CHECK(daemon.ctl({"zone", "restart", "guest1"}).status == 7);
    REQUIRE(daemon.ctl({"zone", "start", "guest1"}).status == 0);
    CHECK(daemon.ctl({"zone", "restart", "guest1"}).status == 0);
    CHECK(daemon.ctl({"zone", "wait", "guest1", "--state", "running"}).status == 0);
    const auto expired = daemon.ctl({"zone", "wait", "guest1", "--timeout", "0.1"});
    CHECK(expired.status == 6);
    CHECK(expired.errors == "hvisorctl: zone guest1 is running: the time is up\n");

    Process waiting({program("HVISORCTL"), "--bus=session", "zone", "wait", "guest1"},
                    daemon.files().path("wait.out"), daemon.files().path("wait.err"));
    CHECK(waiting.wait(std::chrono::milliseconds(300)) == -1);
    CHECK(daemon.ctl({"zone", "shutdown", "guest1"}).status == 0);
    CHECK(waiting.wait() == 0);
    CHECK(daemon.ctl({"zone", "wait", "guest1"}).status == 0);
}

} // namespace
} // namespace hvisor::test
