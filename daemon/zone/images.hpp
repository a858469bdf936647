// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "hypervisor/hypervisor.hpp"
#include "zone/file_table.hpp"
#include "zone/zone_encoder.hpp"
#include "zone/zone_file.hpp"

#include <cstdint>
#include <vector>

namespace hvisor::zone {

/// An image that is open and known to fit.
struct OpenImage {
    ImageFile file;
    UniqueFd fd;
    std::uint64_t size = 0;        ///< of the file
    std::uint64_t memory_size = 0; ///< what it takes when it runs: a kernel's header says so, with its bss
};

/// Open the zone's images and check that each is of a form a zone can start
/// from, lies in one RAM region, and on no other. The error holds every problem, a line each.
[[nodiscard]] Result<std::vector<OpenImage>> open_images(const ZoneFile& zone, const FileTable& files);

[[nodiscard]] ImageSizes image_sizes(const std::vector<OpenImage>& images);

/// Copy the images, and x86_64's command line, to guest RAM.
[[nodiscard]] Result<void> load_images(const ZoneFile& zone, const std::vector<OpenImage>& images,
                                       hypervisor::Hypervisor& hypervisor);

} // namespace hvisor::zone
