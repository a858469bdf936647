// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace testvisor {

/// One load or store of a guest that stage 2 stopped.
struct Access {
    std::uint64_t address; // guest physical
    unsigned size;         // 1, 2, 4 or 8
    bool is_write;
    std::uint64_t value; // of a store: the whole source register; of a load: the answer
};

} // namespace testvisor
