// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/canvas.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace hvisor::devices::gpu {

/// A connector of the root zone's graphics cards.
struct ConnectorFacts {
    std::string card;      ///< "card0"
    std::string connector; ///< "HDMI-A-1"
    bool is_connected = false;
    Size preferred{};          ///< 0 x 0 when nothing is connected
    std::uint32_t refresh = 0; ///< of that mode, in mHz
};

/// All of them, cards in the order of their numbers; none where there is no
/// card. Not on an owner thread: displays are asked.
[[nodiscard]] Result<std::vector<ConnectorFacts>> list_connectors();

} // namespace hvisor::devices::gpu
