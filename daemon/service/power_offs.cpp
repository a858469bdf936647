// SPDX-License-Identifier: Apache-2.0
#include "service/power_offs.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hvisor::service {

void PowerOffs::await(std::string zone, Clock::time_point deadline, Then then) {
    entries_.push_back({.zone = std::move(zone), .deadline = deadline, .then = std::move(then)});
}

void PowerOffs::update(const std::vector<zone::ZoneState>& zones, Clock::time_point now) {
    const auto state_of = [&](const Entry& entry) {
        const auto zone = std::ranges::find(zones, entry.zone, &zone::ZoneState::name);
        return zone == zones.end() ? zone::State::stopped : zone->state;
    };
    // What is called may come back here.
    const auto over = std::ranges::stable_partition(entries_, [&](const Entry& entry) {
        return state_of(entry) == zone::State::stopping && entry.deadline > now;
    });
    std::vector<Entry> ended(std::make_move_iterator(over.begin()), std::make_move_iterator(over.end()));
    entries_.erase(over.begin(), over.end());
    for (Entry& entry : ended) {
        const auto state = state_of(entry);
        entry.then(state == zone::State::stopped || state == zone::State::defined);
    }
}

void PowerOffs::give_up() {
    for (Entry& entry : std::exchange(entries_, {})) {
        entry.then(false);
    }
}

} // namespace hvisor::service
