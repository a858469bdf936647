// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <string>
#include <sys/uio.h>
#include <vector>

namespace hvisor::devices::block {

/// A raw disk image: a regular file or a block device. Offsets and lengths are
/// bytes. Every call blocks; errors are errno values, 0 is success.
class FileBackend {
  public:
    [[nodiscard]] static Result<FileBackend> open(UniqueFd image, std::string path, bool read_only);

    [[nodiscard]] std::uint64_t size() const { return size_; }
    [[nodiscard]] std::uint32_t block_size() const { return block_size_; }
    [[nodiscard]] bool read_only() const { return read_only_; }
    [[nodiscard]] const std::string& path() const { return path_; }
    /// At most 20 characters that stay the same for this image.
    [[nodiscard]] const std::string& serial() const { return serial_; }

    /// All of `pieces`, which are used up on the way.
    [[nodiscard]] int read(std::uint64_t offset, std::vector<iovec>& pieces) const;
    /// `durable`: on stable storage when it returns.
    [[nodiscard]] int write(std::uint64_t offset, std::vector<iovec>& pieces, bool durable) const;
    [[nodiscard]] int flush() const;

  private:
    FileBackend() = default;

    UniqueFd image_;
    std::string path_;
    std::string serial_;
    std::uint64_t size_ = 0;
    std::uint32_t block_size_ = 512;
    bool read_only_ = false;
};

} // namespace hvisor::devices::block
