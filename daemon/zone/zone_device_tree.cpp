// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_device_tree.hpp"

#include "base/checked.hpp"
#include "zone/make_device_tree.hpp"

#include <format>
#include <optional>
#include <utility>

namespace hvisor::zone {
namespace {

/// Where the guest sees what is loaded to `physical`.
std::optional<std::uint64_t> address_in_guest(const ZoneConfig& zone, std::uint64_t physical,
                                              std::uint64_t size) {
    for (const MemoryRegion& region : zone.memory_regions) {
        if (region.type == RegionType::ram &&
            range_inside(physical, size, region.physical_start, region.size)) {
            return region.virtual_start + (physical - region.physical_start);
        }
    }
    return std::nullopt;
}

} // namespace

Result<std::vector<std::byte>> zone_device_tree(const ZoneFile& zone, std::span<const std::byte> source,
                                                std::uint64_t initrd_size) {
    TreeContent content{.zone = zone.config, .devices = zone.devices};
    if (!zone.start.cmdline.empty()) {
        content.cmdline = zone.start.cmdline;
    }
    if (const ImageFile* initrd = zone.config.image(ImageRole::initrd); initrd != nullptr) {
        const auto address = address_in_guest(zone.config, initrd->load_paddr, initrd_size);
        if (!address) {
            return fail(ErrorCode::invalid_config,
                        "{}: {} bytes from {:#x} on do not lie in one RAM region; load it elsewhere, or "
                        "enlarge the region",
                        zone.document.locate(initrd->address_key), initrd_size, initrd->load_paddr);
        }
        content.initrd = GuestInitrd{.address = *address, .size = initrd_size};
    }
    const bool is_patch = zone.start.dtb == DtbSource::patch;
    auto blob = is_patch ? patch_device_tree(source, content) : generate_device_tree(content);
    if (!blob) {
        const ImageFile* file = zone.config.image(ImageRole::dtb);
        const bool names_file = is_patch && file != nullptr;
        return std::unexpected(std::move(blob).error().with_context(
            names_file ? std::format("{}: {}", zone.document.locate(file->path_key), file->path)
                       : zone.document.locate("/dtb")));
    }
    return blob;
}

} // namespace hvisor::zone
