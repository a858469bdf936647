// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace hvisor::zone {

enum class Packing { none, gzip, zstd };

/// The part of an open file that holds an image.
struct ImagePayload {
    int fd = -1;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Packing packing = Packing::none;
};

/// An image's bytes as they have to lie in RAM, in their order. It holds a
/// part of the file at a time, and nothing of the file is trusted.
class ImageSource {
  public:
    ImageSource() = default;
    ImageSource(const ImageSource&) = delete;
    ImageSource& operator=(const ImageSource&) = delete;
    ImageSource(ImageSource&&) = delete;
    ImageSource& operator=(ImageSource&&) = delete;
    virtual ~ImageSource() = default;

    /// The next bytes; fewer than `to` has, down to none, only at the end.
    [[nodiscard]] virtual Result<std::size_t> read(std::span<std::byte> to) = 0;

    /// How many bytes of the file have been used so far.
    [[nodiscard]] virtual std::uint64_t used() const = 0;
};

/// The descriptor stays the caller's, and open as long as the source.
[[nodiscard]] Result<std::unique_ptr<ImageSource>> open_source(const ImagePayload& payload);

} // namespace hvisor::zone
