// SPDX-License-Identifier: Apache-2.0
#include "zone/restarts.hpp"

#include <algorithm>

namespace hvisor::zone {

void Restarts::remember(const std::string& name, RestartPolicy policy, Run run) {
    const auto known = entries_.find(name);
    if (known == entries_.end()) {
        entries_.emplace(name, Entry{.policy = policy, .run = std::move(run)});
        return;
    }
    known->second.policy = policy;
    known->second.run = std::move(run);
    known->second.due.reset();
}

void Restarts::forget(const std::string& name) {
    entries_.erase(name);
}

std::chrono::seconds Restarts::wait(Entry& entry, Clock::time_point now) {
    entry.due = now + entry.delay;
    return std::exchange(entry.delay, std::min(entry.delay * 2, longest));
}

std::optional<std::chrono::seconds> Restarts::ended(const std::string& name, State state, Clock::duration ran,
                                                    Clock::time_point now) {
    const auto found = entries_.find(name);
    if (found == entries_.end() || found->second.due) {
        return std::nullopt;
    }
    Entry& entry = found->second;
    if (state != State::failed && (state != State::stopped || entry.policy != RestartPolicy::always)) {
        return std::nullopt;
    }
    if (ran >= longest) {
        entry.delay = shortest;
    }
    return wait(entry, now);
}

std::vector<std::pair<std::string, Restarts::Run>> Restarts::due(Clock::time_point now) {
    std::vector<std::pair<std::string, Run>> zones;
    for (auto& [name, entry] : entries_) {
        if (entry.due && *entry.due <= now) {
            entry.due.reset();
            zones.emplace_back(name, entry.run);
        }
    }
    return zones;
}

std::chrono::seconds Restarts::failed(const std::string& name, Clock::time_point now) {
    return wait(entries_.at(name), now);
}

} // namespace hvisor::zone
