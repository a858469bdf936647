// SPDX-License-Identifier: Apache-2.0
#include "zone_files.hpp"

#include "process.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace hvisor::test {
namespace {

constexpr const char* zone_text = R"({
  "name": "guest1", "zone_id": 1, "cpus": [2, 3],
  "memory_regions": [
    { "type": "ram", "physical_start": "0x50000000", "virtual_start": "0x50000000", "size": "0x1000000" },
    { "type": "virtio", "physical_start": "0xa003800", "virtual_start": "0xa003800", "size": "0x200" },
    { "type": "virtio", "physical_start": "0xa003c00", "virtual_start": "0xa003c00", "size": "0x200" } ],
  "interrupts": [76, 78],
  "ivc_configs": [],
  "kernel_filepath": "./Image", "kernel_load_paddr": "0x50400000",
  "dtb_filepath": "null", "dtb_load_paddr": "0x50000000",
  "entry_point": "0x50400000",
  "arch_config": { "gic_version": "v3", "gicd_base": "0x8000000", "gicd_size": "0x10000",
                   "gicr_base": "0x80a0000", "gicr_size": "0xf60000",
                   "gits_base": "0x8080000", "gits_size": "0x20000", "is_aarch32": false },
  "pci_config": [], "alloc_pci_devs": []
}
)";

constexpr const char* virtio_text = R"({
  "zones": [ { "id": 1,
    "memory_region": [ { "zone0_ipa": "0x50000000", "zonex_ipa": "0x50000000", "size": "0x1000000" } ],
    "devices": [
      { "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76, "status": "enable" },
      { "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk.img", "status": "enable" } ] } ]
}
)";

std::string changed(std::string text, const ZoneFiles::Changes& changes) {
    for (const auto& [from, to] : changes) {
        const auto place = text.find(from);
        if (place == std::string::npos) {
            throw std::runtime_error("the text to change is not there: " + from);
        }
        text.replace(place, from.size(), to);
    }
    return text;
}

} // namespace

ZoneFiles::ZoneFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "hvisord-bus-XXXXXX").native();
    if (mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("no temporary folder");
    }
    folder_ = name;
    write_file(path("zone.json"), zone_json());
    write_file(path("virtio.json"), virtio_json());
    write_file(path("Image"), std::string(64 * 1024UL, 'k'));
    write_file(path("disk.img"), std::string(1024 * 1024UL, '\0'));
    const std::filesystem::path configured = path("configured");
    std::filesystem::create_directory(configured);
    for (const char* file : {"Image", "disk.img"}) {
        std::filesystem::create_symlink(path(file), configured / file);
    }
}

ZoneFiles::~ZoneFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::string ZoneFiles::zone_json(const Changes& changes) {
    return changed(zone_text, changes);
}

std::string ZoneFiles::virtio_json(const Changes& changes) {
    return changed(virtio_text, changes);
}

std::string ZoneFiles::write(const std::string& name, const std::string& text) const {
    write_file(path(name), text);
    return path(name);
}

void ZoneFiles::configure(const std::string& name) const {
    write_file(path("configured/" + name + ".json"), zone_json());
    write_file(path("configured/" + name + ".virtio.json"), virtio_json());
}

} // namespace hvisor::test
