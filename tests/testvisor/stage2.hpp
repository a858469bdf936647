// SPDX-License-Identifier: Apache-2.0
//
// A zone's second stage of translation: 39-bit guest addresses, starting at
// level 1, pages of 4 KiB and blocks of 2 MiB and 1 GiB.
#pragma once

#include <cstdint>

namespace testvisor {

class Stage2 {
  public:
    enum class Kind { Memory, Device };

    /// Empty tables; `slot` says whose pool of pages is used.
    void reset(unsigned slot);

    /// What the real hypervisor cannot map (overlaps, odd addresses) is a panic.
    void map(std::uint64_t guest, std::uint64_t physical, std::uint64_t size, Kind kind);

    [[nodiscard]] std::uint64_t table() const { return reinterpret_cast<std::uint64_t>(root_); }

  private:
    std::uint64_t* new_table();
    std::uint64_t* next_level(std::uint64_t& entry, std::uint64_t guest);
    void map_one(std::uint64_t guest, std::uint64_t physical, unsigned level, Kind kind);

    std::uint64_t* root_ = nullptr;
    unsigned slot_ = 0;
    unsigned used_ = 0;
};

} // namespace testvisor
