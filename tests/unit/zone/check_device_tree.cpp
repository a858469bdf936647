// SPDX-License-Identifier: Apache-2.0
#include "zone/check_device_tree.hpp"

#include "zone_text.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

namespace check_device_tree_test {

using namespace hvisor::zone;
using test::good_virtio;
using test::good_zone;

namespace {

/// What fits the good zone.
DeviceTree good_tree() {
    return {.memory = {{0x50000000, 0x30000000, "/memory@50000000"}},
            .cpus = {{2, "/cpus/cpu@2"}, {3, "/cpus/cpu@3"}},
            .virtio = {{0xa003800, 0x200, 76, "/virtio_mmio@a003800"},
                       {0xa003c00, 0x200, 78, "/virtio_mmio@a003c00"}},
            .bootargs = ""};
}

struct Verdict {
    std::string problems;
    std::vector<std::string> warnings;
};

Verdict check(const DeviceTree& tree) {
    const auto zone = read_zone_file(ConfigText{"z.json", std::string(good_zone)});
    const auto virtio = read_virtio_config(ConfigText{"v.json", std::string(good_virtio)});
    REQUIRE(zone);
    REQUIRE(virtio);
    Problems problems(zone->document);
    check_device_tree(*zone, virtio->config.zones.at(0).devices, tree, problems);
    const auto result = problems.result();
    return {result ? "" : result.error().message, problems.warnings()};
}

} // namespace

TEST_CASE("a device tree that says what the zone has is right") {
    const Verdict verdict = check(good_tree());
    CHECK(verdict.problems.empty());
    CHECK(verdict.warnings.empty());
}

TEST_CASE("memory of a device tree that is not the zone's is a problem") {
    DeviceTree tree = good_tree();
    tree.memory[0].size += 0x1000;
    CHECK(
        check(tree).problems ==
        "z.json:12:19: /dtb_filepath: /memory@50000000 gives the guest 0x50000000, size 0x30001000, of which "
        "0x80000000 is not in the zone's RAM; expected the zone's regions of the type \"ram\"");
    tree.memory[0] = {UINT64_MAX - 1, UINT64_MAX, "/memory"};
    CHECK(check(tree).problems.contains("is not in the zone's RAM"));
    tree.memory.clear();
    CHECK(check(tree).problems.empty());
    CHECK(check(tree).warnings ==
          std::vector<std::string>{"z.json:12:19: /dtb_filepath: the device tree names no memory"});
}

TEST_CASE("virtio nodes of a device tree have a device with their interrupt, or a region at least") {
    DeviceTree tree = good_tree();
    tree.virtio[0].interrupt = 44;
    CHECK(check(tree).problems ==
          "z.json:12:19: /dtb_filepath: /virtio_mmio@a003800 has the interrupt 44, and the "
          "device at 0xa003800 of the zone has 76; expected the same");
    tree = good_tree();
    tree.virtio.push_back({0xa003a00, 0x200, 77, "/virtio_mmio@a003a00"});
    CHECK(
        check(tree).problems ==
        "z.json:12:19: /dtb_filepath: /virtio_mmio@a003a00 is a virtio device at 0xa003a00, where the zone "
        "has "
        "none and no region of the type \"virtio\" either; the guest fails when it looks; add the device or "
        "remove the node");
    tree.virtio.back().address = 0xa003900; // inside the first region
    CHECK(check(tree).problems.empty());
    CHECK(check(tree).warnings.size() == 1);
}

TEST_CASE("CPUs of a device tree are the zone's, where the file says their hardware ids") {
    const std::string text = test::changed(
        test::changed(test::good_one_file, R"("dtb": "generate")", R"("dtb": "file", "dtb_filepath": "b")"),
        R"("arch_config": { )", R"("arch_config": { "mpidr_mappings": [2, 3, 0, 256], )");
    const std::string plain = test::changed(
        text,
        R"( "cmdline": "console=hvc0 root=/dev/vda", "initrd_filepath": "initrd.gz", "initrd_load_paddr": "0x58000000",)",
        "");
    const auto zone = read_zone_file(ConfigText{"z.json", plain});
    INFO((zone ? "" : zone.error().message));
    REQUIRE(zone);
    Problems problems(zone->document);
    DeviceTree tree = good_tree();
    tree.cpus = {{0, "/cpus/cpu@0"}, {256, "/cpus/cpu@100"}};
    check_device_tree(*zone, zone->devices, tree, problems);
    CHECK(problems.empty());
    tree.cpus[1].hardware_id = 2;
    check_device_tree(*zone, zone->devices, tree, problems);
    CHECK(problems.result().error().message.contains(
        "/dtb_filepath: /cpus/cpu@100 is the CPU with the id 0x2, which is none of the zone's as "
        "/arch_config/mpidr_mappings says; expected the zone's CPUs"));
}

TEST_CASE("what a device tree leaves out or has too much of is a warning") {
    DeviceTree tree = good_tree();
    tree.virtio.pop_back();
    tree.virtio[0].length = 0x1000;
    tree.cpus.pop_back();
    const Verdict verdict = check(tree);
    CHECK(verdict.problems.empty());
    REQUIRE(verdict.warnings.size() == 3);
    CHECK(verdict.warnings[0].ends_with(
        "the device tree has 1 CPUs and the zone 2; the guest starts those that both have"));
    CHECK(verdict.warnings[1].ends_with(
        "/virtio_mmio@a003800 has the size 0x1000, and the device at 0xa003800 of the zone has 0x200"));
    CHECK(verdict.warnings[2].ends_with(
        "the device tree has no virtio,mmio node for the device at 0xa003c00; the guest does not see it"));
}

} // namespace check_device_tree_test
