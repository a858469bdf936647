// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/console/history.hpp"
#include "devices/console/state.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace hvisor::devices::console {

/// One who watches a port, and may type: a socket, or the pty.
///
/// All share one history, each with a position of its own in it, as in
/// obmc-console. Nobody waits for a slow reader: neither the guest, whose
/// kernel prints with interrupts off, nor the others. One who falls behind by
/// more than its socket's buffer and the whole history finds a line that says
/// how much it missed, and goes on with the oldest byte that is left.
class Attachment {
  public:
    enum class Kind { stream, terminal };

    /// `fd` is non-blocking.
    Attachment(UniqueFd fd, std::uint64_t position, bool has_input)
        : fd_(std::move(fd)), kind_(Kind::stream), position_(position), has_input_(has_input) {}
    /// A pty, which goes on where `kept` says; that outlives it. The history is in `file`,
    /// from `offset` on.
    Attachment(UniqueFd fd, TerminalPosition& kept, int file, std::int64_t offset, const History& history);

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] bool is_terminal() const { return kind_ == Kind::terminal; }

    /// Write what there is as far as it goes.
    void pump(const History& history);
    /// There is more, but its buffer is full: pump() again after EPOLLOUT.
    [[nodiscard]] bool is_blocked() const { return blocked_; }
    [[nodiscard]] bool is_caught_up(const History& history) const {
        return notice_.empty() && position_ == history.end();
    }
    /// A line for this one alone, with the next pump().
    void tell(std::string_view line);

    /// It may still type, or has typed what nobody has read yet.
    [[nodiscard]] bool has_input() const { return has_input_; }
    /// Nothing more is read from it.
    void end_input() { has_input_ = false; }
    /// It may type no more; what it has typed already still counts.
    void close_input() const;
    /// Somebody is there who may type: not one who has left or has said that no more comes.
    [[nodiscard]] bool is_typing() const;

    /// Nobody reads there any more.
    [[nodiscard]] bool is_deaf() const { return deaf_; }
    void end_output() { deaf_ = true; }

  private:
    [[nodiscard]] bool write_notice();
    void move_to(std::uint64_t position);
    [[nodiscard]] ssize_t write_some(const History& history);

    UniqueFd fd_;
    Kind kind_;
    std::uint64_t position_;           ///< of the next byte of the history to write
    TerminalPosition* kept_ = nullptr; ///< of a terminal
    int file_ = -1;                    ///< the same: the history's file
    std::int64_t offset_ = 0;          ///< and where it begins there
    std::string notice_;               ///< what is left of lines that are not the guest's
    bool has_input_;
    bool blocked_ = false;
    bool deaf_ = false;
};

} // namespace hvisor::devices::console
