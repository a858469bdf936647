// SPDX-License-Identifier: Apache-2.0
#include "zone/check_files.hpp"

#include "zone/check_guest_tree.hpp"
#include "zone/check_zone.hpp"
#include "zone/images.hpp"
#include "zone/zone_claims.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

/// A zone that was read, with the devices that belong to it.
struct Candidate {
    ZoneFile zone;
    VirtioFile virtio; ///< its own devices, or those of a virtio JSON
    bool has_devices = false;

    [[nodiscard]] std::span<const VirtioDevice> devices() const {
        return has_devices ? virtio.config.devices_of(zone.config.zone_id) : std::span<const VirtioDevice>{};
    }
    [[nodiscard]] std::string folder() const { return fs::absolute(virtio.document.name()).parent_path(); }
};

class Checker {
  public:
    void read(std::span<const ConfigText> files);
    void check_each();
    void check_together();
    FilesReport take() { return std::move(report_); }

  private:
    void keep(const Result<void>& result) {
        if (!result) {
            report_.problems.push_back(result.error().message);
        }
    }
    void keep_warnings(const std::vector<std::string>& warnings) {
        report_.warnings.insert(report_.warnings.end(), warnings.begin(), warnings.end());
    }
    void give_devices(std::vector<VirtioFile>& virtio);
    void check_hardware_ids(const Candidate& candidate);
    void check_named_files(const Candidate& candidate);
    bool is_there(const JsonDocument& document, const std::string& path, const std::string& pointer);

    std::vector<Candidate> candidates_;
    FilesReport report_;
};

void Checker::read(std::span<const ConfigText> files) {
    std::vector<VirtioFile> virtio;
    for (const ConfigText& text : files) {
        auto document = JsonDocument::parse(text);
        if (!document) {
            report_.problems.push_back(document.error().message);
            continue;
        }
        if (document->root().find("zones") != nullptr) {
            auto file = read_virtio_config(std::move(*document));
            if (file) {
                keep_warnings(file->warnings);
                virtio.push_back(std::move(*file));
            } else {
                report_.problems.push_back(file.error().message);
            }
            continue;
        }
        auto zone = read_zone_file(std::move(*document));
        if (!zone) {
            report_.problems.push_back(zone.error().message);
            continue;
        }
        keep_warnings(zone->warnings);
        report_.zones.push_back(zone->config.name);
        VirtioFile own = own_devices(*zone);
        const bool is_whole = zone->form == Form::one_file;
        candidates_.push_back({.zone = std::move(*zone), .virtio = std::move(own), .has_devices = is_whole});
    }
    give_devices(virtio);
}

void Checker::give_devices(std::vector<VirtioFile>& virtio) {
    for (Candidate& candidate : candidates_) {
        if (candidate.has_devices) {
            continue;
        }
        const auto file = std::ranges::find_if(virtio, [&candidate](const VirtioFile& one) {
            return one.config.zone(candidate.zone.config.zone_id) != nullptr;
        });
        if (file != virtio.end()) {
            candidate.virtio = *file;
            candidate.has_devices = true;
        } else {
            report_.left_out.push_back(
                std::format("{}: the devices of zone {}, which are in no file that was given",
                            candidate.zone.document.name(), candidate.zone.config.name));
        }
    }
}

void Checker::check_each() {
    for (const Candidate& candidate : candidates_) {
        const auto sound = check_zone(candidate.zone);
        keep(sound);
        if (sound && candidate.has_devices) {
            keep(check_devices(candidate.zone, candidate.virtio));
            keep_warnings(device_warnings(candidate.zone, candidate.virtio));
        }
        if (sound) {
            check_hardware_ids(candidate);
            check_named_files(candidate);
        }
    }
}

/// What only the machine can tell.
void Checker::check_hardware_ids(const Candidate& candidate) {
    const auto* arm64 = std::get_if<Aarch64Config>(&candidate.zone.config.arch);
    if (arm64 != nullptr && arm64->mpidr_mappings.empty() &&
        candidate.zone.start.dtb == DtbSource::generate) {
        report_.left_out.push_back(
            std::format("{}: whether the ids (MPIDR) of the board's CPUs are their numbers, which the "
                        "generated device tree has; \"mpidr_mappings\" in arch_config says others",
                        candidate.zone.document.locate("/dtb")));
    }
}

/// What is there is opened as hvisord does, what is not may be elsewhere now.
void Checker::check_named_files(const Candidate& candidate) {
    ZoneFile zone = candidate.zone;
    const FileTable files{.files = {}, .may_open = true};
    std::erase_if(zone.config.images, [&](const ImageFile& image) {
        return !is_there(zone.document, image.path, image.path_key);
    });
    if (zone.config.image(ImageRole::dtb) == nullptr && zone.start.dtb == DtbSource::patch) {
        zone.start.dtb = DtbSource::none;
    }
    const auto images = open_images(zone, files);
    Problems problems(zone.document);
    if (images) {
        check_guest_tree(zone, candidate.devices(), *images, problems);
        keep_warnings(problems.warnings());
    }
    keep(images ? problems.result() : std::unexpected(images.error()));

    Problems disks(candidate.virtio.document);
    for (const VirtioDevice& device : candidate.devices()) {
        const std::string key = device.pointer + "/img";
        if (device.type == DeviceType::block &&
            is_there(candidate.virtio.document, device.block.image, key)) {
            static_cast<void>(open_file(files, candidate.virtio.document, device.block.image, key,
                                        FileUse::read_only_disk, disks));
        }
    }
    keep(disks.result());
}

/// Whether the file can be opened; one that cannot is left out.
bool Checker::is_there(const JsonDocument& document, const std::string& path, const std::string& pointer) {
    const fs::path full = fs::path(document.name()).parent_path() / path;
    if (::access(full.c_str(), R_OK) == 0) {
        return true;
    }
    report_.left_out.push_back(std::format("{}: {}, which cannot be opened", document.locate(pointer), path));
    return false;
}

void Checker::check_together() {
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
        const Candidate& mine = candidates_[i];
        Problems zone_problems(mine.zone.document);
        Problems device_problems(mine.virtio.document);
        for (std::size_t j = 0; j < i; ++j) {
            const ZoneConfig& other = candidates_[j].zone.config;
            check_identity(mine.zone.config, other, zone_problems);
            check_claims(mine.zone.config, mine.devices(), mine.folder(),
                         claims_of(other, candidates_[j].devices(), candidates_[j].folder()), zone_problems,
                         device_problems);
        }
        keep(join(zone_problems.result(), device_problems.result()));
    }
}

} // namespace

FilesReport check_files(std::span<const ConfigText> files) {
    Checker checker;
    checker.read(files);
    checker.check_each();
    checker.check_together();
    return checker.take();
}

} // namespace hvisor::zone
