// SPDX-License-Identifier: Apache-2.0
#include "cpu.hpp"
#include "device_tree.hpp"
#include "gic.hpp"
#include "root_memory.hpp"
#include "uart.hpp"
#include "zone.hpp"

extern "C" void boot_main();
extern "C" [[noreturn]] void entered_below_el2();

/// On CPU 0, before it starts the root zone like any CPU of any zone.
void boot_main() {
    using namespace testvisor;
    gic::start_distributor();
    const auto* tree = reinterpret_cast<const void*>(root_device_tree);
    start_root(root_kernel, root_device_tree);
    const Text words = chosen_property(tree, "testvisor,options");
    read_command_line(words.data, words.size);
    say("root zone on CPUs 0x3, configuration magic ", config_magic(),
        ", options: ", words.size > 1 ? words : Text{"none", 4});
}

void entered_below_el2() {
    testvisor::uart::print_last(
        testvisor::Line("testvisor: panic: not started at EL2: QEMU needs -M virt,virtualization=on"));
    for (;;) {
        asm volatile("wfi");
    }
}
