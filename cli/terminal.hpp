// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

namespace hvisor::cli {

/// Standard input's terminal in raw mode as long as this object lives; does
/// nothing when standard input is none. The signals that end a program are made
/// readable (signal_fd), so that the terminal is put back whatever ends it.
class RawTerminal {
  public:
    explicit RawTerminal(bool wanted);
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    RawTerminal(RawTerminal&&) = delete;
    RawTerminal& operator=(RawTerminal&&) = delete;
    ~RawTerminal();

    [[nodiscard]] bool active() const { return active_; }

    /// Becomes readable when a signal has come: take_signal().
    [[nodiscard]] int signal_fd() const { return signal_fd_; }
    enum class Signal { none, end, resized };
    [[nodiscard]] Signal take_signal() const;

    /// Of the window; zeroes when it has none.
    [[nodiscard]] winsize size() const;

  private:
    termios saved_{};
    bool active_ = false;
    int signal_fd_ = -1;
};

} // namespace hvisor::cli
