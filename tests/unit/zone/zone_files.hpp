// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "zone_text.hpp"

#include <cstdint>
#include <string>

namespace hvisor::zone::test {

/// The header of an arm64 Image that needs `memory` bytes when it runs.
inline std::string arm64_image(std::uint64_t memory) {
    std::string header(64, '\0');
    for (std::size_t i = 0; i < sizeof(memory); ++i) {
        header[0x10 + i] = static_cast<char>(memory >> (8 * i));
    }
    return header.replace(0x38, 4, "ARMd");
}

/// What a device tree blob starts with.
inline std::string dtb() {
    return "\xd0\x0d\xfe\xed\x01";
}

} // namespace hvisor::zone::test
