// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>

namespace hvisor::cli {

/// Says on stderr that something is still going on, from two seconds after it
/// began: a line that counts on a terminal, else a line now and then.
class Progress {
  public:
    /// Tells how much is done, in percent, where that is known. It runs on a thread of its own.
    using Percent = std::function<std::optional<unsigned>()>;

    /// `quiet`: say nothing after all.
    explicit Progress(std::string what, bool quiet, Percent percent = {});
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    Progress(Progress&&) = delete;
    Progress& operator=(Progress&&) = delete;
    ~Progress() = default;

  private:
    std::jthread thread_;
};

} // namespace hvisor::cli
