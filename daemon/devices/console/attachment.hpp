// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/console/history.hpp"

#include <cstdint>
#include <string>

namespace hvisor::devices::console {

/// One who watches the console, and may type: a socket, or the pty.
///
/// All share one history, each with a position of its own in it, as in
/// obmc-console. Nobody waits for a slow reader: neither the guest, whose
/// kernel prints with interrupts off, nor the others. One who falls behind by
/// more than its socket's buffer and the whole history finds a line that says
/// how much it missed, and goes on with the oldest byte that is left.
class Attachment {
  public:
    /// `fd` is non-blocking.
    Attachment(UniqueFd fd, std::uint64_t position, bool has_input)
        : fd_(std::move(fd)), position_(position), has_input_(has_input) {}

    [[nodiscard]] int fd() const { return fd_.get(); }

    /// Write what there is as far as it goes.
    void pump(const History& history);
    /// There is more, but its buffer is full: pump() again after EPOLLOUT.
    [[nodiscard]] bool is_blocked() const { return blocked_; }
    [[nodiscard]] bool is_caught_up(const History& history) const {
        return missed_.empty() && position_ == history.end();
    }

    /// It may still type.
    [[nodiscard]] bool has_input() const { return has_input_; }
    void end_input() { has_input_ = false; }

    /// Nobody reads there any more.
    [[nodiscard]] bool is_deaf() const { return deaf_; }
    void end_output() { deaf_ = true; }

  private:
    [[nodiscard]] bool write_missed();

    UniqueFd fd_;
    std::uint64_t position_; ///< of the next byte of the history to write
    std::string missed_;     ///< what is left of the line about missing bytes
    bool has_input_;
    bool blocked_ = false;
    bool deaf_ = false;
};

} // namespace hvisor::devices::console
