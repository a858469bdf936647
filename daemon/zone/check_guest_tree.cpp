// SPDX-License-Identifier: Apache-2.0
#include "zone/check_guest_tree.hpp"

#include "base/log.hpp"
#include "zone/check_device_tree.hpp"
#include "zone/image_source.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <string>
#include <utility>

namespace hvisor::zone {
namespace {

/// The file from its start, without moving the place from which it is loaded;
/// one byte more than a device tree can have shows that it is too large.
Result<std::vector<std::byte>> read_blob(const OpenImage& image) {
    std::vector<std::byte> blob(std::min<std::uint64_t>(image.size, max_device_tree_size + 1));
    return open_source({.fd = image.fd.get(), .size = blob.size()})
        .and_then([&](const auto& source) { return source->read(blob); })
        .transform([&](std::size_t) { return std::move(blob); });
}

} // namespace

Result<void> check_guest_tree(const ZoneFile& zone, std::span<const VirtioDevice> devices,
                              const std::vector<OpenImage>& images) {
    const auto image =
        std::ranges::find(images, ImageRole::dtb, [](const OpenImage& one) { return one.file.role; });
    if (image == images.end() || zone.start.dtb != DtbSource::file) {
        return {};
    }
    Problems problems(zone.document);
    if (const auto blob = read_blob(*image)) {
        check_device_tree(zone, devices, *blob, problems);
    } else {
        problems.add(image->file.path_key, std::format("{}: {}", image->file.path, blob.error().message),
                     blob.error().code);
    }
    for (const std::string& warning : problems.warnings()) {
        log::warning("{}", warning);
    }
    return problems.result();
}

} // namespace hvisor::zone
