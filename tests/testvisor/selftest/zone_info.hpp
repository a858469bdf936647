// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "machine.hpp"

namespace selftest {

struct ZoneInfo {
    std::uint32_t id;
    std::uint64_t cpus;
    char name[32];
    std::uint8_t is_error;
};
static_assert(sizeof(ZoneInfo) == 56);

inline std::int64_t list(ZoneInfo* zones, std::uint64_t capacity) {
    return hvc(zone_list, reinterpret_cast<std::uint64_t>(zones), capacity);
}

inline bool named(const ZoneInfo& zone, const char* name) {
    unsigned i = 0;
    while (name[i] != '\0' && zone.name[i] == name[i]) {
        ++i;
    }
    return name[i] == '\0' && zone.name[i] == '\0';
}

} // namespace selftest
