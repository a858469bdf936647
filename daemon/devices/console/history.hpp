// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"

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

    [[nodiscard]] std::uint64_t begin() const { return end() > capacity ? end() - capacity : 0; }
    [[nodiscard]] std::uint64_t end() const { return end_.get(); }

    /// Where the next bytes go: fill a part of it from its start and commit() that.
    [[nodiscard]] std::span<std::byte> room();
    void commit(std::size_t length) { end_.commit(end_.get() + length); }

    /// Where in bytes() the byte at that position is.
    [[nodiscard]] static std::size_t place_of(std::uint64_t position) { return position % capacity; }
    [[nodiscard]] const std::byte* bytes() const { return bytes_.data(); }
    /// Everything from `position`, which is in [begin(), end()], in at most two pieces.
    [[nodiscard]] std::array<iovec, 2> from(std::uint64_t position) const;

  private:
    Watched<std::uint64_t> end_;
    std::array<std::byte, capacity> bytes_; ///< what was not printed yet is never looked at
};

} // namespace hvisor::devices::console
