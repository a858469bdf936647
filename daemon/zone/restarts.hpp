// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/file_table.hpp"
#include "zone/zone_file.hpp"
#include "zone/zone_plan.hpp"
#include "zone/zone_state.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hvisor::zone {

/// The zones that are started again when they have ended by themselves, and
/// when. A zone waits a second at first, twice as long each time, a minute at
/// most: a guest that fails as it boots takes little of the machine so. One
/// that ran for a minute begins anew.
class Restarts {
  public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds shortest{1};
    static constexpr std::chrono::seconds longest{60};

    /// What a zone is started with.
    struct Run {
        ZoneFile file;
        std::shared_ptr<const VirtioSource> virtio; ///< none of a zone without devices
        std::shared_ptr<const FileTable> files;     ///< of its images
    };

    /// A zone has been started, by a person or by due().
    void remember(const std::string& name, RestartPolicy policy, Run run);

    /// A person has shut a zone down, or started it as one that is not kept.
    void forget(const std::string& name);

    /// A zone is in that state and has run for `ran`: how long it waits for its
    /// next start; nothing when there will be none, or it waits already.
    [[nodiscard]] std::optional<std::chrono::seconds> ended(const std::string& name, State state,
                                                            Clock::duration ran, Clock::time_point now);

    /// The zones whose time has come. Each is reported once, and has to be
    /// started, or reported back as failed().
    [[nodiscard]] std::vector<std::pair<std::string, Run>> due(Clock::time_point now);

    /// A remembered zone could not be started, or does not run: how long it waits for the next try.
    std::chrono::seconds failed(const std::string& name, Clock::time_point now);

  private:
    struct Entry {
        RestartPolicy policy = RestartPolicy::never;
        Run run;
        std::chrono::seconds delay = shortest;
        std::optional<Clock::time_point> due{};
    };

    static std::chrono::seconds wait(Entry& entry, Clock::time_point now);

    std::map<std::string, Entry> entries_;
};

} // namespace hvisor::zone
