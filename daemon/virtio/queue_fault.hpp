// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace hvisor::virtio {

/// What a driver did wrong in a queue; the device then needs a reset.
enum class QueueFault {
    avail_index,    ///< more entries than the queue has
    head_index,     ///< a head that is no descriptor
    next_index,     ///< a next that is no descriptor
    chain_too_long, ///< a loop, or more descriptors than the queue has
    length,         ///< more than 4 GiB in one chain
    memory,         ///< a buffer outside the zone's memory
    direction,      ///< device-readable after device-writable
    indirect,       ///< an indirect descriptor that is not allowed or malformed
    in_flight,      ///< a chain that is made available while the device still has it
};

/// For the log: "descriptor chain with a loop".
[[nodiscard]] std::string_view to_string(QueueFault fault);

} // namespace hvisor::virtio
