// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/unique_fd.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor {

/// Open files that outlive the process, by name: who keeps them gives them to the
/// next one. Any thread.
class FdStore {
  public:
    /// Who keeps the files. A name has at most 255 printable characters and no colon.
    struct Carrier {
        std::function<void(const std::string& name, int fd)> keep; ///< the file is duplicated
        std::function<void(const std::string& name)> drop;         ///< all of that name
        std::function<void()> settle{}; ///< wait until what was dropped is closed; null: it is at once
    };

    /// Without a carrier nothing is kept.
    FdStore() = default;
    /// `inherited` is what a process before this one had kept.
    FdStore(Carrier carrier, std::multimap<std::string, UniqueFd> inherited);

    [[nodiscard]] bool is_kept() const { return static_cast<bool>(carrier_.keep); }

    /// From now on there is this file under that name, beside those that there are.
    void keep(const std::string& name, int fd) const;
    void drop(const std::string& name) const;
    /// Wait until what was dropped is closed: some milliseconds, or seconds where who
    /// keeps the files is busy.
    void settle() const;

    /// The file that was inherited under that name, once; -1 when there is none.
    [[nodiscard]] UniqueFd take(const std::string& name);
    /// The same, and it stays; valid until it is taken.
    [[nodiscard]] int look_at(const std::string& name) const;
    /// Names that begin so, of files that were inherited and not taken.
    [[nodiscard]] std::vector<std::string> inherited(std::string_view prefix) const;
    /// Nobody wants what was inherited and not taken.
    void drop_rest();

  private:
    Carrier carrier_;
    mutable std::mutex lock_;
    std::multimap<std::string, UniqueFd> inherited_; ///< under lock_
};

} // namespace hvisor
