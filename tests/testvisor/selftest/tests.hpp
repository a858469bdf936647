// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace selftest {

struct Test {
    const char* name;
    void (*run)();
};

// Each list ends with a null name.
extern const Test call_tests[];
extern const Test zone_tests[];
extern const Test bridge_tests[];
extern const Test interrupt_tests[];

/// Each must end in a panic.
extern const Test panic_tests[];

} // namespace selftest
