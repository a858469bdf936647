// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <termios.h>

namespace hvisor::cli {

/// Standard input's terminal in raw mode as long as this object lives; does
/// nothing when standard input is none. Standard input and the signals that
/// end a program are made readable in one place (signal_fd), so that the
/// terminal is put back whatever ends the program.
class RawTerminal {
  public:
    explicit RawTerminal(bool wanted);
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    RawTerminal(RawTerminal&&) = delete;
    RawTerminal& operator=(RawTerminal&&) = delete;
    ~RawTerminal();

    [[nodiscard]] bool active() const { return active_; }

    /// Becomes readable when the program is asked to end.
    [[nodiscard]] int signal_fd() const { return signal_fd_; }

  private:
    termios saved_{};
    bool active_ = false;
    int signal_fd_ = -1;
};

} // namespace hvisor::cli
