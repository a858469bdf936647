// SPDX-License-Identifier: Apache-2.0
#include "zone/check_guest_tree.hpp"

#include "zone/check_device_tree.hpp"

#include <algorithm>
#include <format>
#include <string>

namespace hvisor::zone {

void check_guest_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices,
                      const std::vector<OpenImage>& images, Problems& problems) {
    const auto image =
        std::ranges::find(images, ImageRole::dtb, [](const OpenImage& one) { return one.file.role; });
    if (image == images.end() || zone.start.dtb != DtbSource::file) {
        return;
    }
    if (const auto blob = read_device_tree(*image)) {
        check_device_tree(zone, devices, *blob, problems);
    } else {
        problems.add(image->file.path_key, std::format("{}: {}", image->file.path, blob.error().message),
                     blob.error().code);
    }
}

} // namespace hvisor::zone
