// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "devices/block/operation.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace hvisor::devices::block {

/// How to use an image.
struct FileOptions {
    std::string path{}; ///< for messages
    bool read_only = false;
    bool direct = false;  ///< past the page cache (O_DIRECT)
    std::string serial{}; ///< at most 20 characters; empty: one that is made from the image
};

/// A raw disk image: a regular file or a block device. Offsets and lengths are
/// bytes, errors negative errno values. It holds a lock on the image, so that
/// two zones never write to one.
class FileBackend {
  public:
    /// `resource_busy` when somebody else has the image locked.
    [[nodiscard]] static Result<FileBackend> open(UniqueFd image, FileOptions options);

    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// Look at the image's size again; somebody may have changed it.
    [[nodiscard]] Result<std::uint64_t> refresh_size();
    /// Make a regular file `bytes` long. Shorter than it is, or not whole
    /// blocks: `invalid_config`.
    [[nodiscard]] Result<void> grow(std::uint64_t bytes);
    /// The unit in which a driver should, and past the page cache must, ask.
    [[nodiscard]] std::uint32_t block_size() const { return block_size_; }
    [[nodiscard]] std::uint32_t physical_block_size() const { return physical_block_size_; }
    [[nodiscard]] bool read_only() const { return options_.read_only; }
    [[nodiscard]] bool direct() const { return options_.direct; }
    [[nodiscard]] const std::string& path() const { return options_.path; }
    /// At most 20 characters that stay the same for this image.
    [[nodiscard]] const std::string& serial() const { return options_.serial; }
    [[nodiscard]] int fd() const { return image_.get(); }

    /// Do it, and block as long as it takes; fills in the result.
    void carry_out(Operation& operation) const;
    /// Do it only if that cannot block: nothing, or a part, may be done.
    /// False: it may block, and nothing was done.
    [[nodiscard]] bool try_carry_out(Operation& operation);

    /// Let go of the image and its lock.
    void close();

    static constexpr std::size_t serial_size = 20;
    /// Longer operations hold up the thread that tries them.
    static constexpr std::uint64_t max_inline = std::uint64_t{128} << 10;

  private:
    FileBackend() = default;
    [[nodiscard]] Result<void> find_geometry();
    [[nodiscard]] Result<void> set_direct();
    [[nodiscard]] Result<void> lock() const;
    [[nodiscard]] std::int64_t allocate(int mode, const Operation& operation) const;
    [[nodiscard]] std::int64_t discard(const Operation& operation) const;
    [[nodiscard]] std::int64_t write_zeroes(const Operation& operation) const;

    UniqueFd image_;
    FileOptions options_;
    std::uint64_t size_ = 0;
    std::uint32_t block_size_ = 512;
    std::uint32_t physical_block_size_ = 4096;
    bool in_memory_ = false;   ///< the page cache is all the storage there is
    bool is_device_ = false;   ///< a block device
    bool reads_nowait_ = true; ///< until the file system says that it cannot
};

} // namespace hvisor::devices::block
