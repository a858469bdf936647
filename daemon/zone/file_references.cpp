// SPDX-License-Identifier: Apache-2.0
#include "zone/file_references.hpp"

#include "zone/read_virtio_device.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_file.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::zone {
namespace {

void add(std::vector<FileReference>& files, const JsonDocument& document, const std::string& path,
         bool writable, const std::string& pointer) {
    const auto known = std::ranges::find(files, path, &FileReference::path);
    if (known == files.end()) {
        files.push_back({path, writable, pointer, document.locate(pointer)});
    } else {
        known->writable |= writable;
    }
}

void add_files(std::vector<FileReference>& files, const JsonDocument& document,
               const std::vector<VirtioDevice>& devices) {
    for (const VirtioDevice& device : devices) {
        for (const DisplayConfig& display : device.gpu.displays) {
            if (display.vnc && !display.vnc->password_file.empty()) {
                add(files, document, display.vnc->password_file, false,
                    display.vnc->pointer + "/password_file");
            }
        }
        if (device.type == DeviceType::block) {
            add(files, document, device.block.image, !device.block.read_only, device.pointer + "/img");
        }
    }
}

} // namespace

Result<std::vector<FileReference>> referenced_files(const ConfigText& config) {
    std::vector<FileReference> files;
    const auto document = JsonDocument::parse(config);
    if (!document) {
        return std::unexpected(document.error());
    }
    if (document->root().find("zones") != nullptr) {
        const auto virtio = read_virtio_config(config);
        if (!virtio) {
            return std::unexpected(virtio.error());
        }
        for (const VirtioZone& zone : virtio->config.zones) {
            add_files(files, virtio->document, zone.devices);
        }
        return files;
    }
    const auto zone = read_zone_file(config);
    if (!zone) {
        return std::unexpected(zone.error());
    }
    for (const ImageFile& image : zone->config.images) {
        add(files, zone->document, image.path, false, image.path_key);
    }
    add_files(files, zone->document, zone->devices);
    return files;
}

Result<std::vector<FileReference>> files_of_device(const ConfigText& config) {
    return read_virtio_device(config).transform([](const DeviceFile& file) {
        std::vector<FileReference> files;
        add_files(files, file.document, {file.device});
        return files;
    });
}

} // namespace hvisor::zone
