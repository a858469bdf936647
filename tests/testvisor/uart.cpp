// SPDX-License-Identifier: Apache-2.0
#include "uart.hpp"

#include "arch.hpp"
#include "lock.hpp"

namespace testvisor::uart {
namespace {

constexpr std::uint64_t base = 0x9000000;
constexpr std::uint64_t data_register = base + 0x00;
constexpr std::uint64_t flag_register = base + 0x18;
constexpr std::uint32_t transmit_full = 1U << 5;

SpinLock lock;

void put(char c) {
    while ((mmio_read<std::uint32_t>(flag_register) & transmit_full) != 0) {
    }
    mmio_write<std::uint32_t>(data_register, static_cast<unsigned char>(c));
}

void put(const Line& line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        put(line.data()[i]);
    }
    put('\r');
    put('\n');
}

} // namespace

void print(const Line& line) {
    const Guard guard(lock);
    put(line);
}

void print_last(const Line& line) {
    // No lock: its holder may be stopped.
    put('\r');
    put('\n');
    put(line);
}

} // namespace testvisor::uart
