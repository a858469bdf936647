// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace hvisor::bench {

inline constexpr std::uint32_t block_bytes = 4096;

/// A disk image of which every 4 KiB begin with their own number, so that no
/// read that brought something else counts. It has no name any more.
class Image {
  public:
    /// In `folder`; its data are on the disk when this returns.
    Image(const std::string& folder, std::uint64_t size);

    [[nodiscard]] UniqueFd open(int flags = 0) const;
    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] const std::string& file_system() const { return file_system_; }
    /// Nothing of it waits to be written any more.
    void write_back() const;
    /// The page cache forgets it.
    void drop_cache() const;

    /// A list of block numbers, for blocks of `bytes`: any, each at most once
    /// as long as it lasts; or one after the other.
    [[nodiscard]] std::vector<std::uint32_t> shuffled(std::uint32_t bytes) const;
    [[nodiscard]] std::vector<std::uint32_t> in_order(std::uint32_t bytes) const;

  private:
    UniqueFd file_;
    std::uint64_t size_;
    std::string file_system_;
};

/// A load on an image, as the guest's disk driver or a loop of system calls
/// carries it out.
struct Load {
    bool is_write = false;
    bool is_flush = false;
    std::uint32_t bytes = block_bytes;
    unsigned depth = 1;
    std::span<const std::uint32_t> blocks = std::span<const std::uint32_t>();
    bool once = false; ///< end with the list instead of beginning anew
    bool has_latencies = false;
    double seconds = 1;
};

/// Whether a buffer holds what the image has at this block, and make it so.
void check_block(const std::byte* buffer, const Load& load, std::uint32_t block);
void mark_block(std::byte* buffer, const Load& load, std::uint32_t block);

} // namespace hvisor::bench
