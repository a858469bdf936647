// SPDX-License-Identifier: Apache-2.0
//
// The hypervisor's side of the page that it shares with the root zone's daemon
// (hvisor interface, section 3).
#pragma once

#include "access.hpp"
#include "zone.hpp"

namespace testvisor::bridge {

/// Hypercall 0.
std::int64_t use_page(std::uint64_t address);

/// Hypercall 1: inject what the result ring holds.
std::int64_t inject_results();

/// A guest's access to a virtio window: asks the daemon and, unless it is a
/// queue notification, waits for the answer.
void access(const Zone& zone, const Window& window, Access& access);

} // namespace testvisor::bridge
