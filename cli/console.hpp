// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "failure.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace hvisor::cli {

struct ConsoleOptions {
    std::string title; ///< what the user is told to be connected to
    bool read_only = false;
    /// Called with the size of the terminal's window, and again when it changes.
    std::function<void(std::uint16_t columns, std::uint16_t rows)> resize;
};

/// Copy between `stream` and standard input and output until either ends.
///
/// On a terminal: raw mode, and ^] three times within a second leaves. Without
/// one, input that ends is followed by what the zone still writes: the copy
/// ends when that has been quiet for half a second. Read only, input is not
/// looked at, and the copy follows the console until it goes. It fails when
/// input is left that the console does not take any more.
[[nodiscard]] Outcome<void> copy_console(int stream, const ConsoleOptions& options);

} // namespace hvisor::cli
