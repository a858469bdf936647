// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "gated_hypervisor.hpp"
#include "temporary_directory.hpp"
#include "zone/zone_manager.hpp"
#include "zone_files.hpp"

#include <cstdint>
#include <filesystem>
#include <format>
#include <fstream>
#include <string>
#include <string_view>

namespace hvisor::zone {

using test::good_virtio;
using test::good_zone;

inline constexpr std::uint64_t magic_value = 0x74726976;

/// A machine with the files of the good zone and a manager for it.
struct Bench {
    test::TemporaryDirectory directory;
    test::GatedHypervisor hypervisor;
    hvisor::hypervisor::TrapLoop trap_loop;
    ZoneManager manager;

    explicit Bench(const hvisor::hypervisor::SimulatedOptions& options = {})
        : hypervisor(options),
          trap_loop(hypervisor),
          manager(hypervisor, trap_loop, {directory.path() / "none", directory.path()},
                  directory.path() / "no-device-tree") {
        directory.write("Image", test::arm64_image(0));
        directory.write("zone1.dtb", test::dtb());
        directory.write("disk.img", std::string(4096, 'd'));
    }

    [[nodiscard]] ConfigText text(const char* name, std::string_view content) const {
        return {directory.path() / name, std::string(content)};
    }

    hvisor::Result<std::string> start(std::string_view zone = good_zone,
                                      std::string_view virtio = good_virtio) {
        return manager.start(text("z.json", zone), text("v.json", virtio),
                             FileTable{.files = {}, .may_open = true});
    }

    [[nodiscard]] ZoneState zone(const std::string& name) {
        for (auto& state : manager.zones()) {
            if (state.name == name) {
                return state;
            }
        }
        return {};
    }

    /// What the guest of zone 1 reads from the first register of its disk.
    std::uint64_t read_magic() { return hypervisor.real().guest_read(2, 0xa003c00, 4).value_or(UINT64_MAX); }
};

/// What this process holds of the kernel: descriptors, threads and mappings.
struct Holdings {
    std::ptrdiff_t files = count("/proc/self/fd");
    std::ptrdiff_t threads = count("/proc/self/task");
    std::size_t guest_ram = count_guest_ram();

    bool operator==(const Holdings&) const = default;

  private:
    static std::ptrdiff_t count(const char* folder) {
        return std::distance(std::filesystem::directory_iterator(folder),
                             std::filesystem::directory_iterator());
    }
    static std::size_t count_guest_ram() {
        std::ifstream maps("/proc/self/maps");
        std::size_t mappings = 0;
        for (std::string line; std::getline(maps, line);) {
            mappings += line.contains("secretmem") || line.contains("memfd:") ? 1 : 0;
        }
        return mappings;
    }
};

/// The good zone of one file without an initial RAM disk, kept as `policy` says.
inline std::string kept(std::string_view policy) {
    const auto text = test::changed(
        test::good_one_file, R"("initrd_filepath": "initrd.gz", "initrd_load_paddr": "0x58000000",)", "");
    return test::changed(text, R"("restart": "on-failure")", std::format(R"("restart": "{}")", policy));
}

[[nodiscard]] std::string message(const auto& result) {
    return result ? "" : result.error().message;
}

} // namespace hvisor::zone
