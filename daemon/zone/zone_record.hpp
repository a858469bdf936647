// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "zone/config_text.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace hvisor::zone {

/// What a zone was started from, in a form that outlives the process.
struct ZoneOrigin {
    /// A file that was passed open, and its name in the FdStore.
    struct File {
        std::string path; ///< as it is written in the configuration
        std::string key;
    };

    std::string configured; ///< the name of its configuration; "" when a caller has passed it
    ConfigText zone;        ///< no text: the zone was started by somebody else
    ConfigText virtio;      ///< no text: the devices are in the zone's
    bool may_open = false;  ///< files that were not passed are opened by their paths
    std::vector<File> files;
};

/// All that has to be known of a zone that runs, or waits for its next start, to go on with
/// it in another process, besides what its devices remember themselves.
struct ZoneRecord {
    /// A device, and what the FdStore has of it.
    struct Device {
        std::uint64_t address = 0;
        std::string key; ///< its files' names in the FdStore begin so
        std::string
            image;       ///< of a disk, which may have been changed since; "" for the one in its description
        ConfigText text; ///< no text: it is described where the zone's devices are
    };

    std::uint32_t id = 0;
    std::string name;
    std::int64_t started_ns = 0; ///< by the monotonic clock
    std::string ended{};         ///< why it waits for its next start; "" of one that runs
    ZoneOrigin origin;
    std::vector<Device> devices;
};

/// JSON.
[[nodiscard]] std::string write_zone_record(const ZoneRecord& record);
/// `incompatible` when another version has written it, `invalid_config` when nobody has.
[[nodiscard]] Result<ZoneRecord> read_zone_record(const std::string& text);

/// A file without a name that has this text and cannot be changed.
[[nodiscard]] Result<UniqueFd> make_text_file(const std::string& name, const std::string& text);
[[nodiscard]] Result<std::string> read_text_file(int file);

} // namespace hvisor::zone
