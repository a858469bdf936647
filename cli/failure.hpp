// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <expected>
#include <string>

namespace hvisor::cli {

/// Exit statuses that no Error of the daemon carries; the others are in base/error.hpp.
inline constexpr int exit_usage = 2;
inline constexpr int exit_unreachable = 5;

/// Why a command did not work: what to print and how to exit.
struct Failure {
    int exit_status = 1;
    std::string message;
};

template <class T>
using Outcome = std::expected<T, Failure>;

[[nodiscard]] std::unexpected<Failure> fail(int exit_status, std::string message);

/// A failure of this project's own code.
[[nodiscard]] std::unexpected<Failure> fail(Error error);

/// A failure that came over the bus, from the daemon or from the bus itself.
[[nodiscard]] std::unexpected<Failure> fail(const sdbus::Error& error);

} // namespace hvisor::cli
