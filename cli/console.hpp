// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"

#include <string>

namespace hvisor::cli {

struct ConsoleOptions {
    std::string title; ///< what the user is told to be connected to
    bool read_only = false;
};

/// Copy between `stream` and standard input and output until either ends.
///
/// On a terminal: raw mode, and ^] three times within a second leaves. Without
/// one, input that ends is followed by what the zone still writes: the copy
/// ends when that has been quiet for half a second. Read only, input is not
/// looked at, and the copy follows the console until it goes.
[[nodiscard]] Outcome<void> copy_console(int stream, const ConsoleOptions& options);

} // namespace hvisor::cli
