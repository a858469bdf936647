// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <sys/uio.h>

namespace hvisor::guest {

/// A checked range of guest RAM. The guest may change the bytes at any time,
/// so nothing here hands out a reference: every access copies, and a caller
/// judges and uses its own copy ("copy once").
///
/// An access that does not fit is a mistake of the caller, whose offsets never
/// come from a guest unchecked; it is cut off (copies) or reads 0 (loads).
class GuestSpan {
  public:
    GuestSpan() = default;
    GuestSpan(std::byte* data, std::size_t size) : data_(data), size_(size) {}

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }

    /// The part from `offset`, at most `length` bytes of it.
    [[nodiscard]] GuestSpan part(std::size_t offset, std::size_t length = SIZE_MAX) const {
        if (offset >= size_) {
            return {};
        }
        return {data_ + offset, std::min(length, size_ - offset)};
    }

    /// Copy out of, or into, guest RAM.
    void read(std::size_t offset, std::span<std::byte> to) const {
        const auto from = part(offset, to.size());
        if (!from.empty()) {
            std::memcpy(to.data(), from.data_, from.size_);
            // The compiler may not look at guest RAM again instead of at the copy.
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
    }
    void write(std::size_t offset, std::span<const std::byte> from) const {
        const auto to = part(offset, from.size());
        if (!to.empty()) {
            std::memcpy(to.data_, from.data(), to.size_);
        }
    }

    /// Single-copy atomic accesses, little-endian like every architecture here;
    /// `offset` is naturally aligned.
    template <Atomic T>
    [[nodiscard]] T load_relaxed(std::size_t offset) const {
        return fits<T>(offset) ? hvisor::load_relaxed(*at<T>(offset)) : T{};
    }
    template <Atomic T>
    [[nodiscard]] T load_acquire(std::size_t offset) const {
        return fits<T>(offset) ? hvisor::load_acquire(*at<T>(offset)) : T{};
    }
    template <Atomic T>
    void store_relaxed(std::size_t offset, T value) const {
        if (fits<T>(offset)) {
            hvisor::store_relaxed(*at<T>(offset), value);
        }
    }
    template <Atomic T>
    void store_release(std::size_t offset, T value) const {
        if (fits<T>(offset)) {
            hvisor::store_release(*at<T>(offset), value);
        }
    }

    /// For system calls that copy (preadv, pwritev, writev); never to look at.
    [[nodiscard]] iovec to_iovec() const { return {.iov_base = data_, .iov_len = size_}; }

  private:
    template <class T>
    [[nodiscard]] bool fits(std::size_t offset) const {
        return offset <= size_ && size_ - offset >= sizeof(T);
    }
    template <class T>
    [[nodiscard]] T* at(std::size_t offset) const {
        return reinterpret_cast<T*>(data_ + offset);
    }

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace hvisor::guest
