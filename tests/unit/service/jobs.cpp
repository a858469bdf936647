// SPDX-License-Identifier: Apache-2.0
#include "service/jobs.hpp"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace jobs_test {

using namespace hvisor;
using namespace hvisor::service;

namespace {

/// A list of jobs that counts what it tells.
struct Bench {
    int changes = 0;
    Jobs jobs{[this] { ++changes; }};

    std::shared_ptr<Job> add(const std::string& operation = "start") {
        auto job = jobs.add(operation, Action::start_zone, "linux2");
        REQUIRE(job);
        return *job;
    }
};

const Error broken{ErrorCode::invalid_config, "z.json:1:1: no"};

} // namespace

TEST_CASE("a job waits, runs and ends, and says so each time") {
    Bench bench;
    const auto job = bench.add();
    CHECK(job->inspect().state == JobState::waiting);
    CHECK(job->inspect().id == 1);
    CHECK(bench.changes == 0);
    REQUIRE(job->begin());
    CHECK(job->inspect().state == JobState::running);
    const auto control = job->control();
    control.named("camera");
    control.progress(40);
    CHECK(job->inspect().zone == "camera");
    CHECK(job->inspect().progress == 40);
    CHECK_FALSE(job->ended());
    job->finish(nullptr);
    CHECK(job->inspect().state == JobState::done);
    CHECK(job->inspect().progress == 100);
    CHECK_FALSE(job->inspect().error);
    CHECK(job->ended());
    CHECK(bench.changes == 4);
    CHECK(bench.add()->inspect().id == 2);
}

TEST_CASE("a job that fails keeps the reason") {
    Bench bench;
    const auto job = bench.add();
    REQUIRE(job->begin());
    job->finish(&broken);
    CHECK(job->inspect().state == JobState::failed);
    CHECK(job->inspect().error.value_or(Error{}).message == broken.message);
    CHECK(job->inspect().progress == 0);
}

TEST_CASE("a job that is cancelled before its turn never runs") {
    Bench bench;
    const auto job = bench.add("shutdown");
    REQUIRE(bench.jobs.cancel(job->id()));
    const auto begun = job->begin();
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code == ErrorCode::cancelled);
    job->finish(&begun.error());
    CHECK(job->inspect().state == JobState::cancelled);
    CHECK(bench.jobs.cancel(job->id()).error().message == "job 1 has ended: cancelled");
}

TEST_CASE("a start that runs can be cancelled, a shutdown cannot") {
    Bench bench;
    const auto start = bench.add();
    REQUIRE(start->begin());
    const auto control = start->control();
    CHECK_FALSE(control.stop.stop_requested());
    REQUIRE(bench.jobs.cancel(start->id()));
    CHECK(control.stop.stop_requested());

    const auto shutdown = bench.add("shutdown");
    REQUIRE(shutdown->begin());
    const auto refused = bench.jobs.cancel(shutdown->id());
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::wrong_state);
    CHECK(refused.error().message == "job 2 is shutting zone linux2 down, which cannot be taken back");
    CHECK_FALSE(shutdown->control().stop.stop_requested());
    CHECK(bench.jobs.cancel(77).error().message == "job 77 has ended");
}

TEST_CASE("jobs that ended are kept for a while, and not too many of them") {
    Bench bench;
    const auto running = bench.add();
    REQUIRE(running->begin());
    const auto ended = bench.add();
    ended->finish(nullptr);
    bench.jobs.forget_old(*ended->ended() + Jobs::kept_time - std::chrono::milliseconds(1));
    CHECK(bench.jobs.list().size() == 2);
    bench.jobs.forget_old(*ended->ended() + Jobs::kept_time);
    REQUIRE(bench.jobs.list().size() == 1);
    CHECK(bench.jobs.list().front().id == running->id());

    for (std::size_t i = 0; i < 2 * Jobs::kept_jobs; ++i) {
        bench.add()->finish(nullptr);
    }
    bench.jobs.forget_old();
    const auto kept = bench.jobs.list();
    REQUIRE(kept.size() == Jobs::kept_jobs + 1);
    // The oldest went first.
    CHECK(kept.front().id == running->id());
    CHECK(kept[1].id == 2 + Jobs::kept_jobs + 1);
}

TEST_CASE("more jobs than anybody needs are refused") {
    Bench bench;
    std::shared_ptr<Job> first;
    for (std::size_t i = 0; i < Jobs::most_unfinished; ++i) {
        auto job = bench.add();
        first = first ? first : job;
    }
    const auto refused = bench.jobs.add("start", Action::start_zone, "linux2");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::resource_busy);
    first->finish(nullptr);
    CHECK(bench.jobs.add("start", Action::start_zone, "linux2"));
}

} // namespace jobs_test
