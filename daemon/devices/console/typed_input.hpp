// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"
#include "devices/console/state.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace hvisor::devices::console {

/// What was typed and the guest has not got yet. Whoever is killed, each byte is in one
/// place: in the file where it was typed, in a pipe that outlives the process, or in the
/// memory that does, where the kernel notes by itself how much it has put (splice(2)).
class TypedInput {
  public:
    /// `state` is at `offset` in `file`; it and the pipe may be another process's, which has
    /// ended anywhere. The pipe is non-blocking.
    TypedInput(UniqueFd pipe, TypedState& state, int file, std::int64_t offset);

    /// One for a port that has none: non-blocking, both ends in one file, which is one to keep; -1 and
    /// errno when there are no more files.
    [[nodiscard]] static UniqueFd open_pipe();

    /// The chain was given something that did not go back: it gets the same again.
    [[nodiscard]] bool is_for(std::uint64_t chain) const { return state_.chain.get() == chain; }
    /// Nothing is to be had before fill().
    [[nodiscard]] bool is_empty() const { return state_.taken.get() >= filled(); }
    /// There is something, or may be in the pipe.
    [[nodiscard]] bool has_more() const { return !is_empty() || may_be_piped_; }

    /// Get more from the pipe, or where somebody types (a pty's master, or a socket; -1: nobody does),
    /// when it is empty and no chain is out that was given something: true when there is; else errno says
    /// why not, EAGAIN when there is nothing, EIO when nothing will come.
    [[nodiscard]] bool fill(int typist);
    /// What the chain gets, of virtio::Chain::order(), at most so much; valid until fill().
    [[nodiscard]] std::span<const std::byte> take(std::uint64_t chain, std::size_t most);

    [[nodiscard]] int fd() const { return pipe_.get(); }

  private:
    [[nodiscard]] std::uint32_t filled() const;
    [[nodiscard]] bool fetch();

    UniqueFd pipe_;
    TypedState& state_;
    const int file_;
    const std::int64_t begin_; ///< of the bytes in the file
    bool may_be_piped_ = true;
};

} // namespace hvisor::devices::console
