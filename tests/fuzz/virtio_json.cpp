// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "zone/check_zone.hpp"
#include "zone/virtio_config.hpp"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hvisor;
    static const auto good_zone = zone::read_zone_file({.name = "zone.json", .text = R"({ "name": "linux2",
        "zone_id": 1, "cpus": [2], "memory_regions": [
          { "type": "ram", "physical_start": "0x50000000", "virtual_start": "0x50000000", "size": "0x30000000" },
          { "type": "virtio", "physical_start": "0xa003800", "virtual_start": "0xa003800", "size": "0x200" } ],
        "interrupts": [76], "ivc_configs": [], "kernel_filepath": "Image", "kernel_load_paddr": "0x50400000",
        "dtb_filepath": "zone1.dtb", "dtb_load_paddr": "0x50000000", "entry_point": "0x50400000",
        "arch_config": { "gic_version": "v3", "gicd_base": "0x8000000", "gicd_size": "0x10000",
                         "gicr_base": "0x80a0000", "gicr_size": "0xf60000" }, "pci_config": [] })"});
    fuzz::expect(good_zone.has_value(), "the zone of this target is good");
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto file = zone::read_virtio_config({.name = "virtio.json", .text = text});
    if (!file) {
        fuzz::expect(file.error().message.starts_with("virtio.json"), "a message names its file");
        return 0;
    }
    static_cast<void>(zone::check_devices(*good_zone, *file));
    return 0;
}
