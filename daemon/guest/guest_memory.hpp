// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "guest/guest_span.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace hvisor::guest {

/// One piece of guest RAM: where the guest sees it and where it is mapped here.
class Region {
  public:
    /// Keeps the mapping for as long as the memory lives.
    Region(std::uint64_t guest_address, Mapping mapping);
    /// Memory that somebody else keeps alive (tests).
    Region(std::uint64_t guest_address, std::byte* host, std::uint64_t size);

    [[nodiscard]] std::uint64_t guest_address() const { return guest_address_; }
    [[nodiscard]] std::byte* host() const { return host_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }

  private:
    std::uint64_t guest_address_;
    std::byte* host_;
    std::uint64_t size_;
    Mapping mapping_;
};

/// The RAM of one zone. Immutable, so it is shared between threads freely.
///
/// On a board this is a mapping of reserved memory without struct page: it can
/// be copied to and from, also by read() and write(), but never pinned.
class GuestMemory {
  public:
    /// Refuses regions that are empty, overlap, wrap around, or are placed so
    /// that an aligned guest address is not an aligned host address.
    [[nodiscard]] static Result<GuestMemory> create(std::vector<Region> regions);

    /// The bytes [address, address + length) when all of them lie in one
    /// region, else nothing. A length of 0 is refused.
    [[nodiscard]] std::optional<GuestSpan> translate(std::uint64_t address, std::uint64_t length) const;

    /// As translate(), but the range may go on in the next region where that
    /// begins at the very next address: appends one span a region. On failure
    /// `pieces` is as it was.
    [[nodiscard]] bool translate(std::uint64_t address, std::uint64_t length,
                                 std::vector<GuestSpan>& pieces) const;

    /// By guest address.
    [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }

  private:
    explicit GuestMemory(std::vector<Region> regions) : regions_(std::move(regions)) {}
    [[nodiscard]] const Region* find(std::uint64_t address) const;

    std::vector<Region> regions_;
};

} // namespace hvisor::guest
