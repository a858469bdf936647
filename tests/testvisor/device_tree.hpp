// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "line.hpp"

namespace testvisor {

/// A property of the node /chosen in a flattened device tree; empty when there is none.
Text chosen_property(const void* tree, const char* name);

} // namespace testvisor
