// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "base/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace hvisor::hypervisor {

/// The memory that zones of a simulated hypervisor may use: a file, in which a byte's
/// place is its physical address.
class SimulatedRam {
  public:
    /// `size` bytes from `address`; std::runtime_error when the system has no such file.
    SimulatedRam(std::uint64_t address, std::uint64_t size);
    /// The same memory in another process.
    SimulatedRam(UniqueFd file, std::uint64_t address, std::uint64_t size)
        : file_(std::move(file)), address_(address), size_(size) {}

    [[nodiscard]] bool has(std::uint64_t address, std::uint64_t size) const;
    /// As Hypervisor has them.
    [[nodiscard]] Result<Mapping> map(std::uint64_t address, std::uint64_t size) const;
    [[nodiscard]] Result<void> load(std::uint64_t address, std::span<const std::byte> bytes) const;
    [[nodiscard]] Result<void> clear(std::uint64_t address, std::uint64_t size) const;

    [[nodiscard]] int fd() const { return file_.get(); }
    [[nodiscard]] std::uint64_t address() const { return address_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// Whether it cannot be pinned, as on a board. Else (a kernel without memfd_secret)
    /// O_DIRECT into it works here and fails there.
    [[nodiscard]] bool refuses_pinning() const { return refuses_pinning_; }

  private:
    UniqueFd file_;
    std::uint64_t address_;
    std::uint64_t size_;
    bool refuses_pinning_ = false;
};

} // namespace hvisor::hypervisor
