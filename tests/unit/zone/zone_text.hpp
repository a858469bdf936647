// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_text.hpp"

#include <string>
#include <string_view>

namespace hvisor::zone::test {

/// A zone JSON that everything is right with, one key a line. Tests change one thing in it.
inline constexpr std::string_view good_zone = R"({ "name": "linux2",
  "zone_id": 1,
  "cpus": [2, 3],
  "memory_regions": [
    { "type": "ram", "physical_start": "0x50000000", "virtual_start": "0x50000000", "size": "0x30000000" },
    { "type": "virtio", "physical_start": "0xa003800", "virtual_start": "0xa003800", "size": "0x200" },
    { "type": "virtio", "physical_start": "0xa003c00", "virtual_start": "0xa003c00", "size": "0x200" } ],
  "interrupts": [76, 78],
  "ivc_configs": [],
  "kernel_filepath": "Image",
  "kernel_load_paddr": "0x50400000",
  "dtb_filepath": "zone1.dtb",
  "dtb_load_paddr": "0x50000000",
  "entry_point": "0x50400000",
  "arch_config": { "gic_version": "v3", "gicd_base": "0x8000000", "gicd_size": "0x10000", "gicr_base": "0x80a0000", "gicr_size": "0xf60000" },
  "pci_config": [] })";

inline constexpr std::string_view good_virtio = R"({ "zones": [ { "id": 1,
  "memory_region": [ { "zone0_ipa": "0x50000000", "zonex_ipa": "0x50000000", "size": "0x30000000" } ],
  "devices": [
    { "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76, "status": "enable" },
    { "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk.img", "status": "enable" } ] } ] })";

/// The same zone in one file, with a device tree that is made for it.
inline constexpr std::string_view good_one_file = R"({ "name": "linux2", "arch": "arm64",
  "zone_id": 1,
  "cpus": [2, 3],
  "memory_regions": [
    { "type": "ram", "physical_start": "0x50000000", "virtual_start": "0x50000000", "size": "0x30000000" },
    { "type": "virtio", "physical_start": "0xa003000", "virtual_start": "0xa003000", "size": "0x1000" } ],
  "interrupts": [76, 78],
  "kernel_filepath": "Image", "kernel_load_paddr": "0x50400000",
  "entry_point": "0x50400000",
  "dtb": "generate", "dtb_load_paddr": "0x50000000",
  "cmdline": "console=hvc0 root=/dev/vda", "initrd_filepath": "initrd.gz", "initrd_load_paddr": "0x58000000",
  "restart": "on-failure", "clear_ram": true,
  // The controller of QEMU's board.
  "arch_config": { "gicd_base": "0x8000000", "gicd_size": "0x10000", "gicr_base": "0x80a0000", "gicr_size": "0xf60000" },
  "devices": [
    { "type": "console", "addr": "0xa003800", "len": "0x200", "irq": 76 },
    { "type": "blk", "addr": "0xa003c00", "len": "0x200", "irq": 78, "img": "disk.img" } ] })";

/// `text` with its one `from` replaced by `to`; a wrong `from` gives an empty text, which no test accepts.
inline std::string changed(std::string_view text, std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    if (at == std::string_view::npos) {
        return {};
    }
    return std::string(text.substr(0, at)).append(to).append(text.substr(at + from.size()));
}

} // namespace hvisor::zone::test
