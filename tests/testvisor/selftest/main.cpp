// SPDX-License-Identifier: Apache-2.0
#include <initializer_list>

#include "machine.hpp"
#include "tests.hpp"

extern "C" [[noreturn]] void root_main();

namespace selftest {
namespace {

// The runner puts a number here: 0 for the tests that come back, N for panic test N.
constexpr std::uint64_t selection = 0xa0300000;

unsigned failures = 0;

void run_all() {
    unsigned passed = 0;
    unsigned failed = 0;
    for (const Test* list : {call_tests, zone_tests, bridge_tests, interrupt_tests}) {
        for (const Test* test = list; test->name != nullptr; ++test) {
            failures = 0;
            test->run();
            (failures == 0 ? passed : failed) += 1;
            print(Line("selftest: ", failures == 0 ? "ok: " : "FAILED: ", test->name));
        }
    }
    print(Line("selftest: ", passed, " passed, ", failed, " failed"));
}

void run_panic(std::uint64_t number) {
    const Test* test = panic_tests;
    while (test->name != nullptr && --number != 0) {
        ++test;
    }
    if (test->name == nullptr) {
        print(Line("selftest: no more"));
        return;
    }
    print(Line("selftest: panics: ", test->name));
    test->run();
    print(Line("selftest: still here"));
}

} // namespace

void fail(const char* file, int line, const Line& what) {
    ++failures;
    print(Line("selftest: ", file, ":", line, ": ", testvisor::Text{what.data(), what.size()}));
}

} // namespace selftest

void root_main() {
    using namespace selftest;
    const auto number = mmio_read<std::uint32_t>(selection);
    if (number == 0) {
        run_all();
    } else {
        run_panic(number);
    }
    for (;;) {
        smc(psci_system_off);
    }
}
