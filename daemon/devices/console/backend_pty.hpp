// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace hvisor::devices::console {

/// Of a terminal's window, in characters.
struct Size {
    std::uint16_t columns = 0;
    std::uint16_t rows = 0;

    [[nodiscard]] bool operator==(const Size&) const = default;
};

/// A pseudo-terminal for users of screen or minicom, in raw mode.
struct Pty {
    UniqueFd master; ///< non-blocking
    /// Kept open: without it the master reports a hang-up, for ever and all
    /// the time, whenever nobody has the terminal open.
    UniqueFd terminal;
    std::string path; ///< "/dev/pts/3"

    [[nodiscard]] static Result<Pty> open();
    /// One that a process before this one has left open.
    [[nodiscard]] static Pty take_over(UniqueFd master, UniqueFd terminal);
};

/// Of a terminal; nothing when it has none.
[[nodiscard]] std::optional<Size> window_size(const UniqueFd& terminal);
void set_window_size(const UniqueFd& terminal, Size size);

} // namespace hvisor::devices::console
