// SPDX-License-Identifier: Apache-2.0
#include "zone/root_linux.hpp"

#include "temporary_directory.hpp"

#include <catch2/catch_test_macros.hpp>

#include <string>
#include <vector>

namespace root_linux_test {

using hvisor::zone::look_at_root_linux;
using hvisor::zone::RootLinux;
using hvisor::zone::test::TemporaryDirectory;

TEST_CASE("the root zone's memory is the System RAM of /proc/iomem") {
    const TemporaryDirectory proc;
    proc.write("iomem", "09000000-09000fff : pl011@9000000\n"
                        "40000000-4fffffff : System RAM\n"
                        "  40210000-4114ffff : Kernel code\n"
                        "80000000-bfffffff : System RAM\n"
                        "c0000000-c00fffff : reserved\n"
                        "nonsense : System RAM\n");
    const RootLinux root = look_at_root_linux(proc.path(), {});
    REQUIRE(root.system_ram.size() == 2);
    CHECK(root.system_ram[0].address == 0x40000000);
    CHECK(root.system_ram[0].size == 0x10000000);
    CHECK(root.system_ram[1].address == 0x80000000);
}

TEST_CASE("addresses that the kernel hides are not taken for memory at 0") {
    const TemporaryDirectory proc;
    proc.write("iomem", "00000000-00000000 : System RAM\n");
    CHECK(look_at_root_linux(proc.path(), {}).system_ram.empty());
    CHECK(look_at_root_linux(proc.path() / "none", {}).system_ram.empty());
}

TEST_CASE("interrupts in use are counted as the interrupt controller does") {
    const TemporaryDirectory proc;
    proc.write("interrupts", "           CPU0       CPU1       \n"
                             " 13:       5120       4711     GICv3  30 Level     arch_timer\n"
                             " 15:         47          0     GICv3  33 Level     uart-pl011\n"
                             " 22:          0          0     GICv3  64 Edge      hvisor, second user\n"
                             " 30:          9          0  ITS-MSI 16384 Edge      virtio0-config\n"
                             " 31:          9          0  SiFive PLIC  10 Edge      ttyS0\n"
                             "IPI0:       123        456       Rescheduling interrupts\n"
                             "Err:          0\n");
    const RootLinux root = look_at_root_linux(proc.path(), {});
    REQUIRE(root.interrupts.size() == 4);
    CHECK(root.interrupts[1].id == 33);
    CHECK(root.interrupts[1].user == "uart-pl011");
    CHECK(root.interrupts[2].id == 64);
    CHECK(root.interrupts[2].user == "hvisor, second user");
    CHECK(root.interrupts[3].id == 10);
}

TEST_CASE("the root zone's CPUs have the ids of its device tree") {
    using namespace std::string_literals;
    const TemporaryDirectory tree;
    CHECK(look_at_root_linux(tree.path(), tree.path()).cpu_ids.empty());
    tree.write("cpus/#address-cells", "\0\0\0\2"s);
    tree.write("cpus/cpu@100/reg", "\0\0\0\0\0\0\1\0"s);
    tree.write("cpus/cpu@0/reg", "\0\0\0\0\0\0\0\0"s);
    tree.write("cpus/cpu@100000200/reg", "\0\0\0\1\0\0\2\0"s);
    tree.write("cpus/cpu-map/reg", "\0\0\0\0\0\0\3\0"s);
    tree.write("cpus/cpu@4/reg", "\0\0\0\4"s); // a cell too few
    CHECK(look_at_root_linux(tree.path(), tree.path()).cpu_ids ==
          std::vector<std::uint64_t>{0, 0x100, 0x100000200});
}

} // namespace root_linux_test
