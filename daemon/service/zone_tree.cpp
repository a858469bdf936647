// SPDX-License-Identifier: Apache-2.0
#include "service/zone_tree.hpp"

#include "service/object_path.hpp"

#include <algorithm>
#include <cstddef>
#include <format>
#include <ranges>
#include <set>
#include <utility>

namespace hvisor::service {
namespace {

constexpr std::chrono::milliseconds sample_age{100};

} // namespace

ZoneTree::ZoneTree(const ObjectContext& context)
    : context_(context),
      sample_([this](std::uint32_t zone, const std::string& device) { return sample(zone, device); }) {}

void ZoneTree::take(std::vector<zone::ZoneState> zones) {
    states_ = std::make_shared<const std::vector<zone::ZoneState>>(std::move(zones));
    looked_ = std::chrono::steady_clock::now();
}

ZoneTree::Entries ZoneTree::entries() const {
    Entries entries{.zones = states_, .paths = {}};
    std::set<std::string> taken;
    for (const auto& state : *states_) {
        auto path = zone_path(state.name);
        // Zones that others have started may share a name.
        if (!taken.insert(path).second) {
            path = zone_path(std::format("{}#{}", state.name, state.id));
        }
        entries.paths.push_back(std::move(path));
    }
    return entries;
}

void ZoneTree::update(std::vector<zone::ZoneState> zones) {
    take(std::move(zones));
    const auto current = entries();
    std::erase_if(objects_, [&](const auto& object) {
        const auto at = std::ranges::find(current.paths, object.first);
        const bool is_there =
            at != current.paths.end() &&
            object.second->is_of((*current.zones)[static_cast<std::size_t>(at - current.paths.begin())]);
        return !is_there && !object.second->must_stay();
    });
    for (const auto& [path, state] : std::views::zip(current.paths, *current.zones)) {
        auto& object = objects_[path];
        if (!object) {
            object = std::make_unique<ZoneObject>(context_, sample_, path, state);
        } else if (object->is_of(state)) { // one that had to stay keeps its path until it goes
            object->update(state);
        }
    }
}

// Only looks: a getter that runs this must find its own object alive afterwards.
std::optional<zone::DeviceState> ZoneTree::sample(std::uint32_t zone, const std::string& device) {
    if (std::chrono::steady_clock::now() - looked_ > sample_age) {
        take(context_.zones.zones());
    }
    for (const auto& state : *states_) {
        const auto found = std::ranges::find(state.devices, device, &zone::DeviceState::id);
        if (state.id == zone && found != state.devices.end()) {
            return *found;
        }
    }
    return std::nullopt;
}

} // namespace hvisor::service
