// SPDX-License-Identifier: Apache-2.0
//
// What the real hypervisor answers with a panic ends the machine here: every
// CPU is stopped, so that nothing interleaves with the message, the message is
// printed as one line starting with "testvisor: panic: ", and the power goes off.
#pragma once

#include "line.hpp"

namespace testvisor {

[[noreturn]] void panic_with(const Line& reason);

template <typename... Pieces>
[[noreturn]] void panic(Pieces... pieces) {
    panic_with(Line(pieces...));
}

/// Called in every loop that waits: a CPU that waits in EL2 cannot be
/// interrupted, so it looks whether the machine is being stopped.
void relax();

[[nodiscard]] bool panicking();

} // namespace testvisor
