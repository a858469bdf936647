// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "devices/gpu/device.hpp"

namespace hvisor::service {

/// The picture as a PNG of 8 bits a colour, in a memory file that nobody can
/// change, at its beginning. It takes some hundredths of a second for each
/// million pixels: not on the main loop.
[[nodiscard]] Result<UniqueFd> png_file(const devices::gpu::Screenshot& picture);

} // namespace hvisor::service
