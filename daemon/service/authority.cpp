// SPDX-License-Identifier: Apache-2.0
#include "service/authority.hpp"

#include <utility>

namespace hvisor::service {

std::string_view to_string(Action action) {
    switch (action) {
    case Action::define_zones:
        return "define-zones";
    case Action::manage_zones:
        return "manage-zones";
    case Action::start_zone:
        return "start-zone";
    case Action::stop_zone:
        return "stop-zone";
    case Action::open_console:
        return "open-console";
    case Action::manage_devices:
        return "manage-devices";
    }
    std::unreachable();
}

} // namespace hvisor::service
