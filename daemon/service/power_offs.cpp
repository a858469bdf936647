// SPDX-License-Identifier: Apache-2.0
#include "service/power_offs.hpp"

#include <algorithm>
#include <utility>

namespace hvisor::service {

void PowerOffs::await(std::string zone, Clock::time_point deadline, Then then) {
    entries_.push_back({.zone = std::move(zone), .deadline = deadline, .then = std::move(then)});
}

void PowerOffs::update(const std::vector<zone::ZoneState>& zones, Clock::time_point now) {
    const auto is_stopping = [&](const Entry& entry) {
        const auto zone = std::ranges::find(zones, entry.zone, &zone::ZoneState::name);
        return zone != zones.end() && zone->state == zone::State::stopping;
    };
    const auto has_gone = [&](const Entry& entry) {
        const auto zone = std::ranges::find(zones, entry.zone, &zone::ZoneState::name);
        return zone == zones.end() || zone->state == zone::State::stopped ||
               zone->state == zone::State::defined;
    };
    // What is called may come back here.
    const auto over = std::ranges::stable_partition(
        entries_, [&](const Entry& entry) { return is_stopping(entry) && entry.deadline > now; });
    std::vector<Entry> ended(std::make_move_iterator(over.begin()), std::make_move_iterator(over.end()));
    entries_.erase(over.begin(), over.end());
    for (Entry& entry : ended) {
        entry.then(has_gone(entry));
    }
}

void PowerOffs::give_up() {
    for (Entry& entry : std::exchange(entries_, {})) {
        entry.then(false);
    }
}

} // namespace hvisor::service
