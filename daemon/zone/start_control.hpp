// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <stop_token>
#include <string>

namespace hvisor::zone {

/// How a start tells what it does, on the thread that does it, and how it is
/// given up.
struct StartControl {
    /// Once requested, and as long as the zone has not run, the start ends with
    /// `cancelled` and leaves nothing behind.
    std::stop_token stop{};
    std::function<void(const std::string& zone)> named{}; ///< the zone's name, once it is known
    std::function<void(unsigned percent)> progress{};     ///< of its images, a few times a second
};

} // namespace hvisor::zone
