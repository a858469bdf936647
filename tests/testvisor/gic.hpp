// SPDX-License-Identifier: Apache-2.0
//
// The machine's GICv3 as the hypervisor uses it. Guests take their interrupts
// directly; EL2 keeps Group 0, in which SGI 15 asks a CPU to stop and EL2's own
// timer ends a nap.
#pragma once

#include <cstdint>

namespace testvisor::gic {

inline constexpr std::uint64_t distributor = 0x8000000;
inline constexpr std::uint64_t distributor_size = 0x10000;
inline constexpr std::uint64_t redistributors = 0x80a0000;
inline constexpr std::uint64_t redistributor_size = 0x20000;
inline constexpr std::uint64_t sgi_frame = 0x10000;

inline constexpr unsigned stop_sgi = 15;
inline constexpr unsigned timer_ppi = 26;
/// What zones must not change, of the interrupts 0 to 31.
inline constexpr std::uint32_t own_bits = 1U << stop_sgi | 1U << timer_ppi;
inline constexpr unsigned first_spi = 32;
inline constexpr unsigned spi_end = 1020;
inline constexpr unsigned spi_words = 32;
inline constexpr unsigned wakeup_interrupt = 64;

// A request to stop has priority 0; what a guest handles must let it through.
inline constexpr std::uint8_t highest_guest_priority = 0x20;
inline constexpr std::uint8_t default_priority = 0xa0;

// Register offsets, of the distributor and, for interrupts 0 to 31, of the SGI frame.
inline constexpr std::uint64_t control = 0x0;
inline constexpr std::uint64_t waker = 0x14;
inline constexpr std::uint64_t group = 0x80;
inline constexpr std::uint64_t set_enable = 0x100;
inline constexpr std::uint64_t clear_enable = 0x180;
inline constexpr std::uint64_t set_pending = 0x200;
inline constexpr std::uint64_t clear_pending = 0x280;
inline constexpr std::uint64_t set_active = 0x300;
inline constexpr std::uint64_t clear_active = 0x380;
inline constexpr std::uint64_t priority = 0x400;
inline constexpr std::uint64_t configuration = 0xc00;
inline constexpr std::uint64_t router = 0x6000;

/// Once, before any guest runs.
void start_distributor();

/// This CPU's redistributor and CPU interface as after a reset, which CPU_ON
/// does not do for them, and open for stop requests.
void start_cpu(unsigned cpu);

void request_stop(unsigned cpu);

/// Acknowledge the Group 0 interrupt that was taken; true if it asks to stop.
bool take_stop_request();

[[nodiscard]] bool is_pending(unsigned spi);
[[nodiscard]] std::uint32_t pending_word(unsigned word);
[[nodiscard]] bool is_active(unsigned spi);
void make_pending(unsigned spi);

/// Put an SPI to rest, in Group 1 and routed to `cpu`.
void reset_spi(unsigned spi, unsigned cpu);

/// Change only the bits in `mask` of a distributor register that several zones share.
void update_shared(std::uint64_t offset, std::uint32_t mask, std::uint32_t value);

} // namespace testvisor::gic
