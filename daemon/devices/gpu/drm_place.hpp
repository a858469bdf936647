// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/drm_card.hpp"
#include "devices/gpu/drm_keeper.hpp"

#include <optional>
#include <string>

namespace hvisor::devices::gpu {

/// Where a screen shows what it shows.
struct DrmPlace {
    DrmClaim claim;
    std::optional<DrmRemains> remains{}; ///< what a process before this one shows there
};

/// On the card that is named, or else on the first that has what is wanted, for `user`; see
/// DrmCard. With what was inherited, where that was. Asks displays.
[[nodiscard]] Result<DrmPlace> find_place(const std::string& card, const std::string& connector,
                                          const std::string& user, std::optional<DrmInherited> inherited);

} // namespace hvisor::devices::gpu
