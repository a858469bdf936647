// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "zone/config_files.hpp"
#include "zone/config_text.hpp"
#include "zone/virtio_config.hpp"
#include "zone/zone_claims.hpp"
#include "zone/zone_file.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace hvisor::zone {

/// What a check has to say.
struct Findings {
    std::vector<std::string> problems{}; ///< a line or more each
    std::vector<std::string> warnings{};
    std::vector<std::string> left_out{}; ///< what was not looked at, and why
};

/// A zone that was read, with the devices that belong to it.
struct Candidate {
    ZoneFile zone;
    VirtioFile virtio; ///< its own devices, or those of a virtio JSON
    bool has_devices = false;

    [[nodiscard]] std::span<const VirtioDevice> devices() const {
        return has_devices ? virtio.config.devices_of(zone.config.zone_id) : std::span<const VirtioDevice>{};
    }
    /// Where the relative paths of its disks start; names of files start in `here`.
    [[nodiscard]] std::string folder(const std::filesystem::path& here) const {
        return (here / virtio.document.name()).parent_path();
    }
    [[nodiscard]] ZoneClaims claims(const std::filesystem::path& here) const {
        return claims_of(zone.config, devices(), folder(here));
    }
};

/// The zones of some files, and what has been found about the files so far.
struct Candidates {
    std::vector<Candidate> zones{};
    std::vector<std::string> unread{}; ///< names of the files that hold none because of their problems
    Findings findings{};
};

/// Read zone JSONs of both forms and virtio JSONs, in any order, and give each
/// zone its devices. Of the files' content nothing is checked but what reading them shows.
[[nodiscard]] Candidates read_candidates(std::span<const ConfigText> files);

/// Read the zone of a configuration with its drop-ins and its virtio JSON.
[[nodiscard]] Result<Candidate> read_candidate(const ConfigFiles& files);

} // namespace hvisor::zone
