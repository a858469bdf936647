// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/driver_queue.hpp"
#include "kit/ram.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hvisor::kit {

/// All of a guest's memory, before and after: what a device has changed has to
/// be known, byte by byte.
class RamWatch {
  public:
    explicit RamWatch(Ram& ram) : ram_(ram) {}

    /// A fresh range for a device to write to, full of a pattern.
    [[nodiscard]] std::uint64_t room(std::size_t size) {
        const auto address = ram_.allocate(size, 64);
        ram_.write(address, std::vector(size, std::byte{0xee}));
        return address;
    }
    /// From here on changes count.
    void begin() { before_ = ram_.read(ram_.address(), ram_.size()); }

    /// The device may write there; what, is looked at elsewhere.
    void allow(std::uint64_t address, std::size_t size) {
        const auto now = ram_.read(address, size);
        expect(address, now);
    }
    /// The driver may write to its part of a split queue, the device to its own.
    void allow(const DriverQueue& queue) {
        allow(queue.descriptors(), std::size_t{16} * queue.size());
        allow(queue.driver_area(), 6 + std::size_t{2} * queue.size());
        allow(queue.device_area(), 6 + std::size_t{8} * queue.size());
    }
    /// The device has written these bytes there.
    void expect(std::uint64_t address, std::span<const std::byte> bytes) {
        std::ranges::copy(bytes, before_.begin() + static_cast<std::ptrdiff_t>(address - ram_.address()));
    }
    /// Nothing else has changed.
    [[nodiscard]] bool holds() const { return ram_.read(ram_.address(), ram_.size()) == before_; }

  private:
    Ram& ram_;
    std::vector<std::byte> before_;
};

} // namespace hvisor::kit
