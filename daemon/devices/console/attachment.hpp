// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/console/cursor.hpp"
#include "devices/console/history.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hvisor::devices::console {

/// One who watches a port, and may type: a client's socket, or the pty.
///
/// All share one history, each with a position of its own in it, as in
/// obmc-console. Nobody waits for a slow reader: neither the guest, whose
/// kernel prints with interrupts off, nor the others. One who falls behind by
/// more than its socket's buffer and the whole history finds a line that says
/// how much it missed, and goes on with the oldest byte that is left.
class Attachment {
  public:
    /// `fd` is non-blocking.
    Attachment(UniqueFd fd, std::unique_ptr<TerminalCursor> cursor)
        : fd_(std::move(fd)), cursor_(std::move(cursor)), has_input_(true) {}
    Attachment(UniqueFd fd, std::unique_ptr<ClientCursor> cursor, bool has_input)
        : fd_(std::move(fd)), client_(cursor->client()), cursor_(std::move(cursor)), has_input_(has_input) {}

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] bool is_terminal() const { return client_ == 0; }
    /// By which its stream is known; 0: it is the pty.
    [[nodiscard]] std::uint64_t client() const { return client_; }

    /// Write what there is as far as it goes.
    void pump(const History& history);
    /// There is more, but its buffer is full: pump() again after EPOLLOUT.
    [[nodiscard]] bool is_blocked() const { return blocked_; }
    [[nodiscard]] bool is_caught_up(const History& history) const {
        return notice_.empty() && cursor_->position() == history.end();
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

    UniqueFd fd_;
    std::uint64_t client_ = 0;
    std::unique_ptr<Cursor> cursor_;
    std::string notice_; ///< what is left of lines that are not the guest's
    bool has_input_;
    bool blocked_ = false;
    bool deaf_ = false;
};

} // namespace hvisor::devices::console
