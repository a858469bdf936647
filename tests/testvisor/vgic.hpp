// SPDX-License-Identifier: Apache-2.0
//
// The interrupt controller as zones other than the root see it: the machine's
// own, with writes limited to what is theirs.
#pragma once

#include "access.hpp"
#include "zone.hpp"

namespace testvisor::vgic {

/// False if the address is not the interrupt controller's or the access is not
/// one that it takes.
bool access(Zone& zone, Access& access);

/// A trapped write of ICC_SGI1R_EL1.
void send_sgi(const Zone& zone, std::uint64_t value);

} // namespace testvisor::vgic
