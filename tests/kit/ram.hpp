// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/atomic.hpp"
#include "guest/guest_memory.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The guest driver kit: what tests play a guest with.
namespace hvisor::kit {

/// A piece of guest RAM as the guest's own software sees it, with a simple
/// allocator. Addresses are the guest's.
class Ram {
  public:
    /// Somebody else's memory.
    Ram(std::uint64_t address, std::byte* host, std::size_t size)
        : address_(address), host_(host), size_(size) {}
    /// Memory of its own, cleared.
    Ram(std::uint64_t address, std::size_t size)
        : address_(address),
          own_(new(std::align_val_t{4096}) std::byte[size]()),
          host_(own_.get()),
          size_(size) {}

    [[nodiscard]] std::uint64_t address() const { return address_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] guest::Region region() const { return {address_, host_, size_}; }

    /// A fresh range; ranges are not given back one by one.
    std::uint64_t allocate(std::size_t size, std::size_t alignment = 16) {
        next_ = (next_ + alignment - 1) / alignment * alignment;
        const auto result = address_ + next_;
        next_ += size;
        if (next_ > size_) {
            throw std::bad_alloc();
        }
        return result;
    }
    /// Everything is free again: nobody uses any of it any more.
    void forget_allocations() { next_ = 0; }
    /// A fresh range that holds these bytes.
    std::uint64_t store_bytes(std::span<const std::byte> bytes) {
        const auto at = allocate(bytes.size());
        write(at, bytes);
        return at;
    }

    [[nodiscard]] std::byte* at(std::uint64_t address) const { return host_ + (address - address_); }
    void write(std::uint64_t address, std::span<const std::byte> bytes) const {
        std::ranges::copy(bytes, at(address));
    }
    [[nodiscard]] std::vector<std::byte> read(std::uint64_t address, std::size_t size) const {
        return {at(address), at(address) + size};
    }
    template <Atomic T>
    [[nodiscard]] T load(std::uint64_t address) const {
        return load_acquire(*reinterpret_cast<T*>(at(address)));
    }
    template <Atomic T>
    void store(std::uint64_t address, std::type_identity_t<T> value) const {
        store_release(*reinterpret_cast<T*>(at(address)), value);
    }

  private:
    struct Free {
        void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{4096}); }
    };
    std::uint64_t address_;
    std::unique_ptr<std::byte[], Free> own_;
    std::byte* host_;
    std::size_t size_;
    std::size_t next_ = 0;
};

[[nodiscard]] inline std::vector<std::byte> to_bytes(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

[[nodiscard]] inline std::string to_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace hvisor::kit
