// SPDX-License-Identifier: Apache-2.0
//
// The daemon's side of the bridge page, by the offsets of the hvisor interface, 3.1.
#pragma once

#include <cstdint>

#include "machine.hpp"

namespace selftest {

struct Request {
    std::uint64_t cpu;
    std::uint64_t address;
    std::uint64_t size;
    std::uint64_t value;
    std::uint32_t zone;
    std::uint8_t is_write;
    std::uint8_t need_interrupt;
    std::uint16_t unused;
};

struct BridgePage {
    std::uint32_t request_front;
    std::uint32_t request_rear;
    std::uint32_t result_front;
    std::uint32_t result_rear;
    Request requests[32];
    struct {
        std::uint32_t zone;
        std::uint32_t interrupt;
    } results[32];
    std::uint64_t flags[32];
    std::uint64_t values[32];
    std::uint8_t unused[65];
    std::uint8_t need_wakeup;
};
static_assert(sizeof(BridgePage) == 2136);

extern BridgePage bridge;

/// Empty it and register it.
void reset_bridge();

/// The next request; false if none comes in time.
bool next_request(Request& request);

/// Wait until that many requests are in the ring.
bool ring_holds(std::uint32_t requests);

void answer(const Request& request, std::uint64_t value);

/// Publish an interrupt without telling the hypervisor yet.
void publish_interrupt(std::uint32_t zone, std::uint32_t interrupt);

std::int64_t inject(std::uint32_t zone, std::uint32_t interrupt);

} // namespace selftest
