// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/list_connectors.hpp"

#include "devices/gpu/drm_card.hpp"
#include "devices/gpu/drm_mode.hpp"

namespace hvisor::devices::gpu {

Result<std::vector<ConnectorFacts>> list_connectors() {
    std::vector<ConnectorFacts> all;
    for (const auto& name : DrmCard::names()) {
        const auto card = DrmCard::find(name);
        if (!card) {
            continue; // it has just gone
        }
        const auto connectors = (*card)->ask();
        if (!connectors) {
            return std::unexpected(connectors.error());
        }
        for (const auto& connector : connectors->value_or(std::vector<Connector>{})) {
            const auto* mode = preferred_mode(connector.modes);
            all.push_back({.card = name,
                           .connector = connector.name,
                           .is_connected = connector.is_connected,
                           .preferred = mode != nullptr ? size_of(*mode) : Size{},
                           .refresh = mode != nullptr ? refresh_of(*mode) : 0});
        }
    }
    return all;
}

} // namespace hvisor::devices::gpu
