// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "objects.hpp"

#include <string_view>

namespace hvisor::cli {

/// One line of a list of properties; the value is made safe for a terminal.
void print_field(std::string_view name, std::string_view value);

/// All that helps at bring-up, from the properties of a device object.
void print_device(const Object& device);

} // namespace hvisor::cli
