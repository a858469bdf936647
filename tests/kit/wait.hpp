// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/sanitizer.hpp"

#include <chrono>
#include <thread>

namespace hvisor::kit {

/// Of what happens at once. ThreadSanitizer makes other programs, too, that are built with it, many
/// times slower, and those draw pictures.
inline constexpr std::chrono::seconds patience{has_thread_sanitizer ? 30 : 5};

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
