// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <cstdint>
#include <vector>

namespace hvisor::bench {

/// Linux's virtio-blk under a program that keeps some requests in flight.
class GuestDisk {
  public:
    static constexpr unsigned max_depth = 32;

    explicit GuestDisk(GuestMachine machine, std::uint32_t largest = block_bytes);

    /// On the guest's CPU.
    [[nodiscard]] Outcome run(const Load& load);

  private:
    struct Header {
        std::uint32_t type;
        std::uint32_t reserved;
        std::uint64_t sector;
    };
    struct Slot {
        std::uint64_t header = 0; ///< addresses in the guest
        std::uint64_t data = 0;
        std::uint64_t status = 0;
        std::byte* host_data = nullptr;
        std::uint32_t block = 0;
        Clock::time_point begin;
    };

    void submit(std::uint16_t number, const Load& load, std::uint32_t block);
    void finish(std::uint16_t number, const Load& load);

    GuestMachine machine_;
    GuestQueue queue_;
    GuestDevice device_;
    std::vector<Slot> slots_;
};

} // namespace hvisor::bench
