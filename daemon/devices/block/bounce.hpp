// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace hvisor::devices::block {

/// Memory of our own that the kernel can pin, for direct I/O: guest RAM has no
/// struct page on a board. One thread's.
class BouncePool {
  public:
    static constexpr std::size_t alignment = 4096;
    /// Direct operations are cut to this.
    static constexpr std::size_t buffer_size = std::size_t{256} << 10;
    /// Buffers that are kept; more are made while they are needed.
    static constexpr std::size_t kept = 8;

    struct Free {
        void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{alignment}); }
    };
    using Buffer = std::unique_ptr<std::byte[], Free>;

    [[nodiscard]] Buffer take() {
        if (free_.empty()) {
            return Buffer(new (std::align_val_t{alignment}) std::byte[buffer_size]);
        }
        auto buffer = std::move(free_.back());
        free_.pop_back();
        return buffer;
    }
    void give_back(Buffer buffer) {
        if (buffer && free_.size() < kept) {
            free_.push_back(std::move(buffer));
        }
    }

  private:
    std::vector<Buffer> free_;
};

} // namespace hvisor::devices::block
