// SPDX-License-Identifier: Apache-2.0
#include "guest/guest_memory.hpp"

#include "base/checked.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::guest {
namespace {

/// The strongest alignment that virtio asks for (descriptor table, virtio 1.2, 2.7).
constexpr std::uint64_t strongest_alignment = 16;

} // namespace

Region::Region(std::uint64_t guest_address, Mapping mapping)
    : guest_address_(guest_address),
      host_(mapping.data()),
      size_(mapping.size()),
      mapping_(std::move(mapping)) {}

Region::Region(std::uint64_t guest_address, std::byte* host, std::uint64_t size)
    : guest_address_(guest_address), host_(host), size_(size) {}

Result<GuestMemory> GuestMemory::create(std::vector<Region> regions) {
    std::ranges::sort(regions, {}, &Region::guest_address);
    const Region* before = nullptr;
    for (const auto& region : regions) {
        const auto begin = region.guest_address();
        if (region.size() == 0 || !checked_add(begin, region.size())) {
            return fail(ErrorCode::invalid_config, "memory region {:#x}: size {:#x} is empty or wraps around",
                        begin, region.size());
        }
        if ((begin - reinterpret_cast<std::uintptr_t>(region.host())) % strongest_alignment != 0) {
            return fail(ErrorCode::invalid_config, "memory region {:#x}: the address is not aligned", begin);
        }
        if (before != nullptr &&
            ranges_overlap(before->guest_address(), before->size(), begin, region.size())) {
            return fail(ErrorCode::invalid_config, "memory regions {:#x} and {:#x} overlap",
                        before->guest_address(), begin);
        }
        before = &region;
    }
    return GuestMemory(std::move(regions));
}

const Region* GuestMemory::find(std::uint64_t address) const {
    auto after = std::ranges::upper_bound(regions_, address, {}, &Region::guest_address);
    if (after == regions_.begin()) {
        return nullptr;
    }
    const auto& region = *--after;
    return address - region.guest_address() < region.size() ? &region : nullptr;
}

std::optional<GuestSpan> GuestMemory::translate(std::uint64_t address, std::uint64_t length) const {
    const auto* region = find(address);
    if (region == nullptr || length == 0 ||
        !range_inside(address, length, region->guest_address(), region->size())) {
        return std::nullopt;
    }
    return GuestSpan(region->host() + (address - region->guest_address()), length);
}

bool GuestMemory::translate(std::uint64_t address, std::uint64_t length,
                            std::vector<GuestSpan>& pieces) const {
    if (length == 0 || !checked_add(address, length - 1)) {
        return false;
    }
    const auto before = pieces.size();
    while (length != 0) {
        const auto* region = find(address);
        if (region == nullptr) {
            pieces.resize(before);
            return false;
        }
        const auto offset = address - region->guest_address();
        const auto here = std::min(length, region->size() - offset);
        pieces.emplace_back(region->host() + offset, here);
        address += here;
        length -= here;
    }
    return true;
}

} // namespace hvisor::guest
