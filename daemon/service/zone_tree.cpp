// SPDX-License-Identifier: Apache-2.0
#include "service/zone_tree.hpp"

#include "service/object_path.hpp"

#include <algorithm>
#include <format>
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
    states_ = std::move(zones);
    looked_ = std::chrono::steady_clock::now();
}

std::vector<ZoneTree::Entry> ZoneTree::entries() const {
    std::vector<Entry> entries;
    std::set<std::string> taken;
    for (const auto& state : states_) {
        auto path = zone_path(state.name);
        // Zones that others have started may share a name.
        if (!taken.insert(path).second) {
            path = zone_path(std::format("{}#{}", state.name, state.id));
        }
        entries.push_back({.path = std::move(path), .state = state});
    }
    return entries;
}

void ZoneTree::update(std::vector<zone::ZoneState> zones) {
    take(std::move(zones));
    auto current = entries();
    std::erase_if(objects_, [&](const auto& object) {
        return std::ranges::none_of(current, [&](const Entry& entry) {
            return entry.path == object.first && object.second->is_of(entry.state);
        });
    });
    for (Entry& entry : current) {
        auto& object = objects_[entry.path];
        if (object) {
            object->update(std::move(entry.state));
        } else {
            object = std::make_unique<ZoneObject>(context_, sample_, entry.path, std::move(entry.state));
        }
    }
}

// Only looks: a getter that runs this must find its own object alive afterwards.
std::optional<zone::DeviceState> ZoneTree::sample(std::uint32_t zone, const std::string& device) {
    if (std::chrono::steady_clock::now() - looked_ > sample_age) {
        take(context_.zones.zones());
    }
    for (const auto& state : states_) {
        const auto found = std::ranges::find(state.devices, device, &zone::DeviceState::id);
        if (state.id == zone && found != state.devices.end()) {
            return *found;
        }
    }
    return std::nullopt;
}

} // namespace hvisor::service
