// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <thread>

namespace hvisor::kit {

/// Of what happens at once: a machine that others build on has stood still for half a minute.
inline constexpr std::chrono::seconds patience{60};

/// Wait until `condition()` holds; false when it never does. Tests wait for
/// what shall happen, never for a time to pass.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition, std::chrono::milliseconds timeout = patience) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

} // namespace hvisor::kit
