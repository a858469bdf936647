// SPDX-License-Identifier: Apache-2.0
#include "zone/check_fit.hpp"

#include "manager_rig.hpp"
#include "temporary_directory.hpp"
#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <utility>
#include <vector>

namespace check_fit_test {

using namespace hvisor::zone;
using hvisor::ErrorCode;
using test::changed;
using test::good_one_file;
using test::good_virtio;
using test::good_zone;

namespace {

using Lines = std::vector<std::string>;

/// The good zone's machine, which has no other zone and says all of itself.
Surroundings board() {
    return {.machine = {.zones = {{0, 0x3, "root-linux", false}},
                        .claims = {},
                        .reserved = {{{"zones@50000000", 0x50000000, 0x30000000}}},
                        .root = {.system_ram = {}, .interrupts = {}, .cpu_ids = {0, 1}},
                        .is_described = true},
            .magic = 6};
}

ConfigText one_file(const std::string& text = std::string(good_one_file), const char* name = "z.json") {
    return {name, text};
}

Candidate candidate(const std::string& text) {
    return read_candidates(std::vector<ConfigText>{{"/etc/hvisor/zones/other.json", text}}).zones.at(0);
}

Findings fit(Surroundings around, const std::vector<ConfigText>& files = {one_file()}) {
    return check_fit(read_candidates(files), std::move(around), "/home/me");
}

} // namespace

TEST_CASE("a zone that fits the machine leaves nothing to say") {
    const Findings findings = fit(board());
    CHECK(findings.problems.empty());
    CHECK(findings.warnings.empty());
    CHECK(findings.left_out.empty());
}

TEST_CASE("what the machine has not is a problem, a line each and once") {
    Surroundings around = board();
    around.machine.zones[0].cpus = 0xf;
    around.machine.root.cpu_ids = {0, 1, 2, 3};
    around.magic = 4;
    const Findings findings =
        fit(std::move(around),
            {{"z.json", std::string(good_zone)},
             {"v.json", std::string(good_virtio)},
             one_file(changed(good_one_file, R"("zone_id": 1)", R"("zone_id": 2)"), "w.json")});
    REQUIRE(findings.problems.size() == 5);
    CHECK(findings.problems[0].starts_with("the hypervisor takes zone configurations of version 0x4"));
    CHECK(findings.problems[1] ==
          "z.json:3:12: /cpus/0: CPU 2 belongs to the root zone; expected CPUs that no zone uses");
    CHECK(findings.problems[2].starts_with("z.json:3:15: /cpus/1: CPU 3"));
}

TEST_CASE("a zone that runs or is configured is what the given one of its number and name replaces") {
    Surroundings around = board();
    around.machine.zones.push_back({1, 0xc, "linux2", false});
    around.machine.claims.push_back({.zone = "linux2",
                                     .ranges = {{RegionType::ram, 0x50000000, 0x30000000, true}},
                                     .interrupts = {},
                                     .taps = {},
                                     .cids = {},
                                     .connectors = {},
                                     .disks = {}});
    around.configured.push_back(candidate(std::string(good_one_file)));
    const Findings findings = fit(around);
    CHECK(findings.problems.empty());
    CHECK(findings.warnings.empty());
    CHECK(findings.left_out.empty());

    // Under another name it is in the way.
    const Findings other = fit(around, {one_file(changed(good_one_file, "linux2", "linux3"))});
    CHECK(other.problems ==
          Lines{"z.json:2:14: /zone_id: zone 1 runs already and is called linux2; shut it down first, or "
                "choose another id"});
}

TEST_CASE("what configured zones want that do not run is a warning") {
    Surroundings around = board();
    std::string text = changed(good_one_file, "linux2", "camera");
    text = changed(text, R"("zone_id": 1)", R"("zone_id": 2)");
    around.configured.push_back(candidate(changed(text, "disk.img", "/home/me/disk.img")));
    around.unreadable.emplace_back("broken");
    const Findings findings = fit(std::move(around));
    CHECK(findings.problems.empty());
    REQUIRE(findings.warnings.size() == 4);
    CHECK(findings.warnings[0] ==
          "z.json:3:12: /cpus/0: CPU 2 belongs to zone camera, too; expected CPUs that no zone uses; zone "
          "camera is configured, and the two cannot run at the same time");
    CHECK(findings.warnings[2].contains("/memory_regions/0/physical_start: RAM 0x50000000"));
    // The caller's relative names start where the caller is.
    CHECK(findings.warnings[3].contains("/devices/1/img: disk.img is a disk of zone camera"));
    CHECK(findings.left_out == Lines{"zone broken, which is configured, as its files have problems"});
}

TEST_CASE("what is not looked at is said, and why") {
    Surroundings around = board();
    around.machine.reserved.reset();
    around.machine.zones.push_back({5, 0x30, "foreign", false});
    CHECK(
        fit(around).left_out ==
        Lines{"what memory is reserved for zones, which the parameter zone_ram tells the kernel module alone",
              "what zone foreign has besides its CPUs, as this hvisord did not start it"});

    around = board();
    around.machine.is_described = false;
    around.machine.root.cpu_ids.clear();
    const auto left_out = fit(around).left_out;
    REQUIRE(left_out.size() == 2);
    CHECK(left_out[0].ends_with("as hvisord sees no device tree of it"));
    CHECK(left_out[1].starts_with("z.json:10:10: /dtb: whether the ids (MPIDR)"));

    // The files' own problems are not told again.
    const Findings own =
        fit(board(),
            {{"bad.json", "{"},
             one_file(changed(good_one_file, R"("entry_point": "0x50400000")", R"("entry_point": "0x10")"))});
    CHECK(own.problems.empty());
    CHECK(own.left_out ==
          Lines{"bad.json: whether it fits this machine, as it has problems of its own",
                "z.json: whether zone linux2 fits this machine, as it has problems of its own"});
}

TEST_CASE("a hypervisor that does not tell its version is a problem of every zone") {
    Surroundings around = board();
    around.magic = hvisor::fail(ErrorCode::incompatible, "the hypervisor is too old");
    CHECK(fit(std::move(around)).problems == Lines{"the hypervisor is too old"});
}

TEST_CASE("more than may be compared at once is refused") {
    CHECK(check_amount(std::vector<ConfigText>(max_checked_files)));
    CHECK_FALSE(check_amount(std::vector<ConfigText>(max_checked_files + 1)));
    CHECK_FALSE(check_amount(std::vector<ConfigText>{{"z.json", std::string(max_checked_bytes, ' ')}}));
}

TEST_CASE("zones are checked and defined while another zone starts") {
    Bench bench;
    test::AtTheGate starting(bench.hypervisor, [&bench] { return message(bench.start()); });

    const ConfigText other = bench.text("other.json", changed(good_one_file, "linux2", "linux3"));
    const auto found = bench.manager.check(std::vector{other}, bench.directory.path());
    INFO(message(found));
    REQUIRE(found);
    // What a zone that is starting has belongs to it already.
    REQUIRE_FALSE(found->problems.empty());
    CHECK(found->problems[0].contains("overlaps RAM 0x50000000, size 0x30000000, of zone linux2"));
    CHECK(bench.manager.undefine("nobody").error().code == ErrorCode::no_such_zone);
    CHECK(starting.finish().empty());
}

} // namespace check_fit_test
