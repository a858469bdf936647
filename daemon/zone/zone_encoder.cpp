// SPDX-License-Identifier: Apache-2.0
#include "zone/zone_encoder.hpp"

#include <algorithm>
#include <concepts>
#include <initializer_list>
#include <ranges>
#include <utility>

namespace hvisor::zone {
namespace {

std::uint64_t page_rounded(std::uint64_t size) {
    return (size + page_size - 1) & ~(page_size - 1);
}

/// The structure, written from its start to its end. Each array has its full
/// length whatever is in it, so the writer skips what is not used.
class StructWriter {
  public:
    template <std::unsigned_integral T>
    void put(T value) {
        align(sizeof(T));
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            bytes_.push_back(static_cast<std::byte>(value >> (8 * i)));
        }
    }

    void put64(std::initializer_list<std::uint64_t> values) {
        std::ranges::for_each(values, [this](auto v) { put(v); });
    }
    void put32(std::initializer_list<std::uint32_t> values) {
        std::ranges::for_each(values, [this](auto v) { put(v); });
    }

    void align(std::size_t alignment) { skip_to((bytes_.size() + alignment - 1) / alignment * alignment); }
    void skip(std::size_t count) { skip_to(bytes_.size() + count); }
    void skip_to(std::size_t offset) { bytes_.resize(offset); }

    [[nodiscard]] std::size_t offset() const { return bytes_.size(); }
    [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

  private:
    std::vector<std::byte> bytes_;
};

/// Write `items` and then nothing up to where an array of `capacity` ends.
template <class T, class Write>
void put_array(StructWriter& out, const std::vector<T>& items, std::size_t capacity, std::size_t element_size,
               Write write) {
    const std::size_t start = out.offset();
    for (std::size_t i = 0; i < std::min(items.size(), capacity); ++i) {
        out.skip_to(start + (i * element_size));
        write(items[i]);
    }
    out.skip_to(start + (capacity * element_size));
}

void put_interrupts(StructWriter& out, const std::vector<std::uint32_t>& interrupts) {
    constexpr std::size_t word_bits = 32;
    std::vector<std::uint32_t> words(max_interrupts / word_bits);
    for (const std::uint32_t interrupt : interrupts) {
        words.at(interrupt / word_bits) |= std::uint32_t{1} << (interrupt % word_bits);
    }
    std::ranges::for_each(words, [&out](std::uint32_t word) { out.put(word); });
}

void put_arch(StructWriter& out, const Aarch64Config& arch, Layout layout) {
    constexpr std::size_t gic_area = 72;
    out.put(static_cast<std::uint8_t>(arch.is_aarch32));
    out.put(std::uint64_t{arch.gic.index()});
    const std::size_t gic = out.offset();
    if (const auto* v2 = std::get_if<GicV2>(&arch.gic)) {
        out.put64({v2->gicd_base, v2->gicd_size, v2->gicc_base, v2->gicc_size, v2->gicc_offset, v2->gich_base,
                   v2->gich_size, v2->gicv_base, v2->gicv_size});
    } else if (const auto* v3 = std::get_if<GicV3>(&arch.gic)) {
        out.put64({v3->gicd_base, v3->gicd_size, v3->gicr_base, v3->gicr_size, v3->gits_base, v3->gits_size});
    }
    out.skip_to(gic + gic_area);
    if (layout == Layout::v6) {
        // Tag 0 is "parameters follow", so that zeros would not mean "none".
        const UefiConfig uefi = arch.uefi.value_or(UefiConfig{});
        out.put64({arch.uefi ? 0U : 1U, uefi.memory_map_addr, uefi.memory_map_size, uefi.sys_map_addr});
    }
}

void put_arch(StructWriter& out, const Riscv64Config& arch) {
    out.put64({arch.plic_base, arch.plic_size, arch.aplic_base, arch.aplic_size});
}

void put_arch(StructWriter& out, const X8664Config& arch, const ImageSizes& sizes, Layout layout) {
    out.put64({arch.ioapic_base, arch.ioapic_size, arch.kernel_entry_gpa, arch.cmdline_load_gpa,
               arch.setup_load_gpa, arch.initrd_load_gpa, page_rounded(sizes.initrd),
               arch.rsdp_memory_region_id, arch.acpi_memory_region_id});
    if (layout != Layout::v5a_before_uefi_id) {
        out.put(arch.uefi_memory_region_id);
    }
    out.put(arch.screen_base);
}

void put_arch_config(StructWriter& out, const ArchConfig& arch, const ImageSizes& sizes, Layout layout) {
    if (const auto* aarch64 = std::get_if<Aarch64Config>(&arch)) {
        put_arch(out, *aarch64, layout);
    } else if (const auto* riscv64 = std::get_if<Riscv64Config>(&arch)) {
        put_arch(out, *riscv64);
    } else if (const auto* x86_64 = std::get_if<X8664Config>(&arch)) {
        put_arch(out, *x86_64, sizes, layout);
    } else {
        out.put(std::uint64_t{0}); // loongarch64 has a dummy that nobody reads
    }
}

void put_pci(StructWriter& out, const ZoneConfig& config, Layout layout) {
    constexpr std::size_t bus_size = 104;
    out.put(std::uint64_t{config.pci_config.size()});
    put_array(out, config.pci_config, max_pci_buses, bus_size, [&out](const PciBus& bus) {
        out.put64({bus.ecam_base, bus.ecam_size, bus.io_base, bus.io_size, bus.pci_io_base, bus.mem32_base,
                   bus.mem32_size, bus.pci_mem32_base, bus.mem64_base, bus.mem64_size, bus.pci_mem64_base});
        out.put32({bus.bus_range_begin, bus.bus_range_end});
        out.put(bus.domain);
    });
    const bool has_virtual_address = layout == Layout::v5b || layout == Layout::v6;
    out.put(std::uint64_t{config.alloc_pci_devs.size()});
    put_array(out, config.alloc_pci_devs, max_pci_devices, has_virtual_address ? 12 : 8,
              [&](const PciDevice& device) {
                  for (const std::uint8_t byte :
                       {device.domain, device.bus, device.device, device.function}) {
                      out.put(byte);
                  }
                  if (has_virtual_address) {
                      for (const std::uint8_t byte : {device.v_bus, device.v_device, device.v_function}) {
                          out.put(byte);
                      }
                  }
                  out.put(device.dev_type);
              });
    out.align(sizeof(std::uint64_t));
}

} // namespace

Result<std::vector<Layout>> layouts_for_magic(std::uint64_t magic, const ArchConfig& arch) {
    if (magic == 6) {
        return std::vector{Layout::v6};
    }
    if (magic == 5 && std::holds_alternative<X8664Config>(arch)) {
        return std::vector{Layout::v5a, Layout::v5b, Layout::v5a_before_uefi_id};
    }
    if (magic == 5) {
        return std::vector{Layout::v5a, Layout::v5b};
    }
    return fail(ErrorCode::incompatible,
                "the hypervisor takes zone configurations of version {:#x}, this hvisord (version {}) those "
                "of versions 0x5 "
                "and 0x6; install versions of hvisor and hvisord that go together",
                magic, HVISORD_VERSION);
}

std::vector<std::byte> encode(const ZoneConfig& config, const ImageSizes& sizes, Layout layout) {
    constexpr std::size_t region_size = 32;
    constexpr std::size_t ivc_size = 40;
    StructWriter out;
    out.put(config.zone_id);
    out.put(config.cpu_mask());
    out.put(static_cast<std::uint32_t>(config.memory_regions.size()));
    out.align(sizeof(std::uint64_t));
    put_array(out, config.memory_regions, max_memory_regions, region_size,
              [&out](const MemoryRegion& region) {
                  out.put(std::to_underlying(region.type));
                  out.put64({region.physical_start, region.virtual_start, region.size});
              });
    put_interrupts(out, config.interrupts);
    out.put(static_cast<std::uint32_t>(config.ivc_configs.size()));
    out.align(sizeof(std::uint64_t));
    put_array(out, config.ivc_configs, max_ivc_configs, ivc_size, [&out](const IvcConfig& ivc) {
        out.put32({ivc.ivc_id, ivc.peer_id});
        out.put64({ivc.control_table_ipa, ivc.shared_mem_ipa});
        out.put32({ivc.rw_sec_size, ivc.out_sec_size, ivc.interrupt_num, ivc.max_peers});
    });
    out.put64({config.entry_point, config.kernel_load_paddr, page_rounded(sizes.kernel),
               config.dtb_load_paddr, page_rounded(sizes.dtb)});
    const std::size_t name = out.offset();
    for (const char c : config.name | std::views::take(max_name_length)) {
        out.put(static_cast<std::uint8_t>(c));
    }
    out.skip_to(name + max_name_length);
    put_arch_config(out, config.arch, sizes, layout);
    put_pci(out, config, layout);
    return out.take();
}

} // namespace hvisor::zone
