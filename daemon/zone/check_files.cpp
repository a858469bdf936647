// SPDX-License-Identifier: Apache-2.0
#include "zone/check_files.hpp"

#include "zone/check_guest_tree.hpp"
#include "zone/check_zone.hpp"
#include "zone/images.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <unistd.h>
#include <utility>
#include <vector>

namespace hvisor::zone {
namespace {

namespace fs = std::filesystem;

class Checker {
  public:
    explicit Checker(std::span<const ConfigText> files) : candidates_(read_candidates(files)) {}

    void check_each();
    void check_together();
    Candidates take() { return std::move(candidates_); }

  private:
    void keep(const Result<void>& result) {
        if (!result) {
            findings().problems.push_back(result.error().message);
        }
    }
    void keep_warnings(const std::vector<std::string>& warnings) {
        findings().warnings.insert(findings().warnings.end(), warnings.begin(), warnings.end());
    }
    Findings& findings() { return candidates_.findings; }
    void check_named_files(const Candidate& candidate);
    bool is_there(const JsonDocument& document, const std::string& path, const std::string& pointer);

    Candidates candidates_;
    const fs::path here_ = fs::current_path();
};

void Checker::check_each() {
    for (const Candidate& candidate : candidates_.zones) {
        const auto sound = check_zone(candidate.zone);
        keep(sound);
        if (sound && candidate.has_devices) {
            keep(check_devices(candidate.zone, candidate.virtio));
            keep_warnings(device_warnings(candidate.zone, candidate.virtio));
        }
        if (sound) {
            check_named_files(candidate);
        }
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
    findings().left_out.push_back(
        std::format("{}: {}, which cannot be opened", document.locate(pointer), path));
    return false;
}

void Checker::check_together() {
    const auto& zones = candidates_.zones;
    for (std::size_t i = 0; i < zones.size(); ++i) {
        const Candidate& mine = zones[i];
        Problems zone_problems(mine.zone.document);
        Problems device_problems(mine.virtio.document);
        for (std::size_t j = 0; j < i; ++j) {
            check_identity(mine.zone.config, zones[j].zone.config, zone_problems);
            check_claims(mine.zone.config, mine.devices(), mine.folder(here_), zones[j].claims(here_),
                         zone_problems, device_problems);
        }
        keep(join(zone_problems.result(), device_problems.result()));
    }
}

} // namespace

Candidates check_files(std::span<const ConfigText> files) {
    Checker checker(files);
    checker.check_each();
    checker.check_together();
    return checker.take();
}

std::vector<std::string> left_to_machine(std::span<const Candidate> zones) {
    std::vector<std::string> lines;
    for (const Candidate& candidate : zones) {
        const auto* arm64 = std::get_if<Aarch64Config>(&candidate.zone.config.arch);
        if (arm64 != nullptr && arm64->mpidr_mappings.empty() &&
            candidate.zone.start.dtb == DtbSource::generate) {
            lines.push_back(
                std::format("{}: whether the ids (MPIDR) of the board's CPUs are their numbers, which the "
                            "generated device tree has; \"mpidr_mappings\" in arch_config says others",
                            candidate.zone.document.locate("/dtb")));
        }
    }
    return lines;
}

} // namespace hvisor::zone
