// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"

#include <span>
#include <string>

namespace hvisor::cli {

/// The virtio JSON that says what upstream's command line of 2024 said with
/// "--device blk,addr=a003c00,len=200,irq=78,zone_id=1,img=FILE" for each device.
[[nodiscard]] Result<std::string> virtio_text(std::span<const std::string> devices);

} // namespace hvisor::cli
