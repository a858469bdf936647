// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone/config_reader.hpp"
#include "zone/zone_config.hpp"

namespace hvisor::zone {

/// Read arch_config (hvisor interface, section 6.3). The file does not say
/// which architecture it is for: the keys it uses do.
void read_arch_config(const ConfigReader& zone, ZoneConfig& config);

/// Read pci_config and alloc_pci_devs in their current and their older forms (section 6.4).
void read_pci_config(const ConfigReader& zone, ZoneConfig& config);

} // namespace hvisor::zone
