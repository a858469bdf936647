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

/// A device tree blob with nothing but its root: header, no reserved memory, a node that begins and ends.
inline std::string dtb() {
    std::string blob;
    for (const std::uint32_t cell : {0xd00dfeedU, 72U, 56U, 72U, 40U, 17U, 16U, 0U, 0U, 16U, // the header
                                     0U, 0U, 0U, 0U, 1U, 0U, 2U, 9U}) {
        for (const int shift : {24, 16, 8, 0}) {
            blob += static_cast<char>((cell >> shift) & 0xffU);
        }
    }
    return blob;
}

} // namespace hvisor::zone::test
