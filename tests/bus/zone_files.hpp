// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace hvisor::test {

/// A folder with the files of one zone: zone.json, virtio.json and what they
/// name; in "configured" the daemon looks for zones, and finds none at first.
/// The zone is id 1, name guest1, CPUs 2 and 3, with a console at 0xa003800 and
/// a disk at 0xa003c00.
class ZoneFiles {
  public:
    ZoneFiles();
    ZoneFiles(const ZoneFiles&) = delete;
    ZoneFiles& operator=(const ZoneFiles&) = delete;
    ZoneFiles(ZoneFiles&&) = delete;
    ZoneFiles& operator=(ZoneFiles&&) = delete;
    /// Removes the folder.
    ~ZoneFiles();

    [[nodiscard]] const std::string& folder() const { return folder_; }
    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + '/' + name; }

    /// The text of a file, with some of its parts replaced.
    using Changes = std::map<std::string, std::string>;
    [[nodiscard]] static std::string zone_json(const Changes& changes = {});
    [[nodiscard]] static std::string virtio_json(const Changes& changes = {});

    /// Write such a text into the folder; returns its path.
    [[nodiscard]] std::string write(const std::string& name, const std::string& text) const;

    /// Make it a zone that the daemon has configured, as `name`.
    void configure(const std::string& name) const;

  private:
    std::string folder_;
};

} // namespace hvisor::test
