// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/drm_keeper.hpp"
#include "zone/kept_files.hpp"

#include <cstddef>
#include <optional>

namespace hvisor::zone {

/// What a process before this one has kept of display `number` of a GPU device.
[[nodiscard]] std::optional<devices::gpu::DrmInherited> take_display(KeptFiles& files, std::size_t number);

/// Who keeps the same for a process after this one; `files` outlives it.
[[nodiscard]] devices::gpu::DrmKeeper keep_display(KeptFiles& files, std::size_t number);

} // namespace hvisor::zone
