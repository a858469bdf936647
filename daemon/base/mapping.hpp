// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>

namespace hvisor {

/// Owns one mmap()ed range and unmaps it.
class [[nodiscard]] Mapping {
  public:
    Mapping() = default;
    /// Takes over a range that mmap() returned.
    Mapping(void* address, std::size_t size);
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    ~Mapping();

    /// Shared, readable and writable mapping of `size` bytes of `fd` from
    /// `offset`; `what` names it in the error.
    [[nodiscard]] static Result<Mapping> map_shared(int fd, std::uint64_t offset, std::size_t size,
                                                    std::string_view what);

    /// Memory for a while: a large buffer from malloc would stay with the
    /// thread's arena when it is freed.
    [[nodiscard]] static Result<Mapping> anonymous(std::size_t size);

    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }

  private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace hvisor
