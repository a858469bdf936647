// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace hvisor::zone {

/// The text of a configuration file and its name for messages.
struct ConfigText {
    std::string name; ///< the path as the user gave it
    std::string text;
};

} // namespace hvisor::zone
