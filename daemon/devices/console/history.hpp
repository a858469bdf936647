// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace hvisor::devices::console {

/// The last 64 KiB that a guest printed. Positions count all bytes ever
/// printed, so a reader's position stays valid, or is seen to be gone. Plain data.
class History {
  public:
    static constexpr std::size_t capacity = std::size_t{64} << 10;

    [[nodiscard]] std::uint64_t begin() const { return end_ > capacity ? end_ - capacity : 0; }
    [[nodiscard]] std::uint64_t end() const { return end_; }

    /// Where the next bytes go: fill a part of it from its start and commit() that.
    [[nodiscard]] std::span<std::byte> room();
    void commit(std::size_t length) { end_ += length; }

    /// Everything from `position`, which is in [begin(), end()], in at most two pieces.
    [[nodiscard]] std::array<iovec, 2> from(std::uint64_t position) const;

  private:
    std::uint64_t end_ = 0;
    std::array<std::byte, capacity> bytes_; ///< what was not printed yet is never looked at
};

} // namespace hvisor::devices::console
