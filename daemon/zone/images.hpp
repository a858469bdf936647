// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/file_table.hpp"
#include "zone/image_source.hpp"
#include "zone/zone_encoder.hpp"
#include "zone/zone_file.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hvisor::zone {

/// An image that is open and known to fit.
struct OpenImage {
    ImageFile file;
    UniqueFd fd;
    std::uint64_t size = 0;        ///< of what the file has of it
    std::uint64_t memory_size = 0; ///< what it takes when it runs: a kernel's header says so, with its bss
    std::uint64_t offset = 0;      ///< where in the file it starts
    Packing packing = Packing::none;
    std::vector<std::byte> made{}; ///< the image itself, where it is no file: a device tree made for the zone

    [[nodiscard]] ImagePayload payload() const { return {fd.get(), offset, size, packing}; }
};

/// Open the zone's images and check that each is of a form a zone can start
/// from, lies in one RAM region, and on no other; make its device tree, where
/// the zone wants one made. The error holds every problem, a line each.
[[nodiscard]] Result<std::vector<OpenImage>> open_images(const ZoneFile& zone, const FileTable& files);

/// The file of a device tree; one byte more than a device tree can have shows
/// that it is too large.
[[nodiscard]] Result<std::vector<std::byte>> read_device_tree(const OpenImage& image);

[[nodiscard]] ImageSizes image_sizes(const std::vector<OpenImage>& images);

} // namespace hvisor::zone
