// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/fd_store.hpp"
#include "base/unique_fd.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace hvisor::zone {

/// Tells when a file that configures a zone may have come, changed or gone, by
/// inotify(7): in the directories of find_config(), whether they are there yet or
/// not, in their NAME.json.d, and behind links to files elsewhere. One thread.
class ConfigWatch {
  public:
    /// The kernel's part outlives the process: to close it waits for all CPUs, for seconds where
    /// they are busy, and the next process is not started before.
    ConfigWatch(std::vector<std::filesystem::path> directories, FdStore& store);

    /// Readable when something has happened since renew(); -1 where the kernel gives no inotify.
    [[nodiscard]] int fd() const { return inotify_.get(); }

    /// Take what has happened, and watch what is there now. Read the files after
    /// it, not before. True when it may concern them.
    bool renew();

  private:
    /// What counts in a folder that is watched.
    struct Watch {
        bool is_whole = false;       ///< all names do, else
        std::set<std::string> names; ///< those of folders that are waited for
    };
    using Watches = std::map<int, Watch>; ///< by the kernel's number

    [[nodiscard]] bool drain() const;
    void watch(const std::filesystem::path& directory, Watches& watches) const;
    void watch_content(const std::filesystem::path& directory, Watches& watches) const;

    std::vector<std::filesystem::path> directories_;
    UniqueFd inotify_;
    Watches watches_;
};

} // namespace hvisor::zone
