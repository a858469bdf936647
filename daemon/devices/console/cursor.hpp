// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/console/history.hpp"
#include "devices/console/state.hpp"

#include <cstdint>
#include <sys/types.h>

namespace hvisor::devices::console {

/// How far one who is attached has got the history. That is remembered for a process after
/// this one: each byte is sent once, whenever this one is killed.
class Cursor {
  public:
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    Cursor(Cursor&&) = delete;
    Cursor& operator=(Cursor&&) = delete;
    virtual ~Cursor() = default;

    /// Of the next byte to send.
    [[nodiscard]] std::uint64_t position() const { return position_; }
    /// Go on there, without sending what is between.
    virtual void skip_to(std::uint64_t position) = 0;
    /// Send what follows, as far as it goes, and go on behind it; returns as write(2).
    [[nodiscard]] virtual ssize_t send(int fd, const History& history) = 0;

  protected:
    explicit Cursor(std::uint64_t position) : position_(position) {}
    void set_position(std::uint64_t position) { position_ = position; }

  private:
    std::uint64_t position_;
};

/// To a pty.
class TerminalCursor final : public Cursor {
  public:
    /// `state` may be another process's, which has ended anywhere. The history is in `file`,
    /// from `offset` on.
    TerminalCursor(TerminalPosition& state, int file, std::int64_t offset, const History& history);

    void skip_to(std::uint64_t position) override;
    [[nodiscard]] ssize_t send(int fd, const History& history) override;

  private:
    void move_to(std::uint64_t position);

    TerminalPosition& state_;
    const int file_;
    const std::int64_t offset_;
};

/// To a client's stream.
class ClientCursor final : public Cursor {
  public:
    /// Of a client that has come, and gets the history from `position` on.
    ClientCursor(ClientPosition& state, std::uint64_t client, std::uint64_t position);
    /// Of one whom a process before this one has had, which has ended anywhere.
    ClientCursor(ClientPosition& state, const History& history);

    [[nodiscard]] std::uint64_t client() const { return state_.client.get(); }
    void skip_to(std::uint64_t position) override;
    [[nodiscard]] ssize_t send(int fd, const History& history) override;

  private:
    ClientPosition& state_;
};

} // namespace hvisor::devices::console
