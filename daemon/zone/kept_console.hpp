// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/console/remains.hpp"
#include "zone/kept_files.hpp"

#include <cstddef>
#include <vector>

namespace hvisor::zone {

/// What a process before this one has kept of a console with so many ports.
[[nodiscard]] devices::console::Remains take_console(KeptFiles& files, std::size_t ports);

/// Keep the files of a console's ports, in their order, that are not kept yet.
void keep_ports(KeptFiles& files, const std::vector<devices::console::PortFiles>& ports);

/// Who keeps its clients' streams; `files` outlives it.
[[nodiscard]] devices::console::ClientKeeper keep_clients(KeptFiles& files);

} // namespace hvisor::zone
