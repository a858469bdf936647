// SPDX-License-Identifier: Apache-2.0
//
// The root zone's PL011, which the hypervisor shares with the root zone's kernel.
#pragma once

#include "line.hpp"
#include "options.hpp"

namespace testvisor::uart {

/// One line of its own, whatever the root zone had written before it.
void print_last(const Line& line);

void print(const Line& line);

} // namespace testvisor::uart

namespace testvisor {

template <typename... Pieces>
void say(Pieces... pieces) {
    if (option(Option::Quiet) == 0) {
        uart::print(Line("testvisor: ", pieces...));
    }
}

} // namespace testvisor
