// SPDX-License-Identifier: Apache-2.0
#include "hypercall.hpp"

#include "bridge.hpp"
#include "errno.hpp"
#include "options.hpp"
#include "root_memory.hpp"
#include "zone.hpp"

namespace testvisor {
namespace {

enum Code : std::uint64_t {
    VirtioInit = 0,
    VirtioInject = 1,
    ZoneStart = 2,
    ZoneShutdown = 3,
    ZoneList = 4,
    IvcInfo = 5,
    ConfigCheck = 6,
    Debug = 0x7465,
};

bool is_for_root_only(std::uint64_t code) {
    return code <= ZoneShutdown || code == Debug;
}

} // namespace

std::int64_t hypercall(std::uint64_t code, std::uint64_t a, std::uint64_t b) {
    if (is_for_root_only(code) && !current_cpu().zone->is_root()) {
        return -error::not_permitted;
    }
    switch (code) {
    case VirtioInit:
        return bridge::use_page(a);
    case VirtioInject:
        return bridge::inject_results();
    case ZoneStart:
        return start_zone(a, b);
    case ZoneShutdown:
        return shut_zone_down(a);
    case ZoneList:
        return list_zones(a, b);
    case IvcInfo:
        return -error::no_device;
    case ConfigCheck:
        *from_root<std::uint64_t>(a) = config_magic();
        return 0;
    case Debug:
        return debug_hypercall(a, b);
    default:
        return 0;
    }
}

} // namespace testvisor
