// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/zone_state.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace hvisor::zone {

/// A zone as its file describes it, in the state `defined`.
struct DefinedZone {
    ZoneState state;      ///< with the name of the file, which starts it
    std::string own_name; ///< the zone's own name, which may be another; "" where the file cannot be read
};

/// The zones that are configured on this machine, whether they run or not. It
/// looks at their files when it is told to, and keeps what they said. One thread.
class DefinedZones {
  public:
    /// The directories of find_config(); the first that has a file wins.
    explicit DefinedZones(std::vector<std::filesystem::path> directories);

    /// Look whether a file came, changed or went, and read them all again if so;
    /// true when what zones() says may be another. It may wait for a disk.
    bool refresh();

    /// Read them all again, also those that look as before.
    void reload() { read_all(look()); }

    /// One for each NAME.json, by name. Where it cannot be read, the diagnosis
    /// says why, and nothing else is known of it.
    [[nodiscard]] const std::vector<DefinedZone>& zones() const { return zones_; }

  private:
    /// A file as far as its folder tells; another time is another content.
    struct Trace {
        std::filesystem::path path;
        std::filesystem::file_time_type written;
        std::uintmax_t size = 0;

        auto operator<=>(const Trace&) const = default;
    };

    [[nodiscard]] std::vector<Trace> look() const;
    void read_all(std::vector<Trace> traces);
    static void trace(const std::filesystem::path& directory, std::vector<Trace>& traces);
    [[nodiscard]] DefinedZone read(const std::string& name) const;

    std::vector<std::filesystem::path> directories_;
    std::vector<Trace> traces_;
    std::vector<DefinedZone> zones_;
};

} // namespace hvisor::zone
