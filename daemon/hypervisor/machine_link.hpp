// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// What a RemoteMachine and the process that has the machine say to each other, in packets
// (base/packet.hpp). The machine begins: a Machine, then one packet for each File with
// that file. Then a call and its answer in turn.
namespace hvisor::hypervisor::machine_link {

inline constexpr std::size_t max_packet = 8192;

struct Machine {
    std::uint64_t magic = 0;
    std::uint64_t ram_address = 0;
    std::uint64_t ram_size = 0;
};

enum class File : std::uint32_t {
    page,    ///< BridgePage
    ram,     ///< SimulatedRam
    wakeup,  ///< an eventfd: the machine has put a request into the bridge
    results, ///< an eventfd: there are results to take (hypercall 1)
    count,
};

enum class Function : std::uint32_t {
    list_zones,
    start_zone, ///< a zone_config follows
    shutdown_zone,
};
struct Call {
    Function function{};
    std::uint32_t zone = 0;
};

/// Behind it the ZoneEntries, or why it failed.
struct Answer {
    std::uint32_t has_failed = 0;
    std::uint32_t code = 0; ///< an ErrorCode
};
struct ZoneEntry {
    std::uint32_t id = 0;
    std::uint32_t has_error = 0;
    std::uint64_t cpus = 0;
    std::array<char, 32> name{};
};

} // namespace hvisor::hypervisor::machine_link
