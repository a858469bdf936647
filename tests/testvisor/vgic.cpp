// SPDX-License-Identifier: Apache-2.0
#include "vgic.hpp"

#include "arch.hpp"
#include "gic.hpp"

namespace testvisor::vgic {
namespace {

bool inside(std::uint64_t address, const Window& window) {
    return window.size != 0 && address >= window.base && address - window.base < window.size;
}

bool aligned(const Access& access) {
    return access.address % access.size == 0 && access.size != 2;
}

void read(std::uint64_t physical, Access& access) {
    switch (access.size) {
    case 1:
        access.value = mmio_read<std::uint8_t>(physical);
        break;
    case 4:
        access.value = mmio_read<std::uint32_t>(physical);
        break;
    default:
        access.value = mmio_read<std::uint64_t>(physical);
        break;
    }
}

template <typename Allowed>
void write_priorities(std::uint64_t physical, unsigned first, const Access& access, Allowed allowed) {
    for (unsigned i = 0; i < access.size; ++i) {
        if (allowed(first + i)) {
            const auto wanted = static_cast<std::uint8_t>(access.value >> (8 * i));
            mmio_write<std::uint8_t>(
                physical + i, wanted < gic::highest_guest_priority ? gic::highest_guest_priority : wanted);
        }
    }
}

/// Two bits an interrupt, 16 interrupts a word.
std::uint32_t configuration_mask(const Zone& zone, unsigned first) {
    std::uint32_t mask = 0;
    for (unsigned i = 0; i < 16; ++i) {
        if (zone.owns_spi(first + i)) {
            mask |= 3U << (2 * i);
        }
    }
    return mask;
}

/// Interrupts stay in Group 1 and the distributor stays enabled, whatever a
/// zone writes: the others use it too.
void write_distributor(const Zone& zone, std::uint64_t offset, const Access& access) {
    const auto value = static_cast<std::uint32_t>(access.value);
    const std::uint64_t physical = gic::distributor + offset;
    if (offset >= gic::set_enable && offset < gic::priority) {
        if (access.size == 4) {
            mmio_write<std::uint32_t>(physical, value & zone.spis[offset % 0x80 / 4]);
        }
    } else if (offset >= gic::priority && offset < gic::priority + gic::spi_end) {
        const auto first = static_cast<unsigned>(offset - gic::priority);
        write_priorities(physical, first, access, [&](unsigned spi) { return zone.owns_spi(spi); });
    } else if (offset >= gic::configuration && offset < gic::configuration + 0x100) {
        const auto first = static_cast<unsigned>(offset - gic::configuration) * 4;
        if (access.size == 4) {
            gic::update_shared(offset, configuration_mask(zone, first), value);
        }
    } else if (offset >= gic::router && offset < gic::router + gic::spi_end * 8UL) {
        const auto spi = static_cast<unsigned>((offset - gic::router) / 8);
        if (access.size == 8 && zone.owns_spi(spi) && zone.owns_cpu(access.value)) {
            mmio_write<std::uint64_t>(physical, access.value);
        }
    }
}

/// Everything but our own interrupts belongs to the zone.
void write_redistributor(std::uint64_t physical, std::uint64_t offset, const Access& access) {
    const auto value = static_cast<std::uint32_t>(access.value);
    if (offset == gic::waker) {
        mmio_write<std::uint32_t>(physical, value);
        return;
    }
    if (offset < gic::sgi_frame) {
        return;
    }
    const std::uint64_t reg = offset - gic::sgi_frame;
    switch (reg) {
    case gic::set_enable:
    case gic::clear_enable:
    case gic::set_pending:
    case gic::clear_pending:
    case gic::set_active:
    case gic::clear_active:
        mmio_write<std::uint32_t>(physical, value & ~gic::own_bits);
        break;
    case gic::configuration + 4:
        mmio_write<std::uint32_t>(physical, value);
        break;
    default:
        if (reg >= gic::priority && reg < gic::priority + gic::first_spi) {
            const auto first = static_cast<unsigned>(reg - gic::priority);
            write_priorities(physical, first, access,
                             [](unsigned i) { return (gic::own_bits >> i & 1) == 0; });
        }
        break;
    }
}

bool access_distributor(const Zone& zone, std::uint64_t offset, Access& access) {
    if (!aligned(access) || offset >= gic::distributor_size) {
        return false;
    }
    if (access.is_write) {
        write_distributor(zone, offset, access);
    } else {
        read(gic::distributor + offset, access);
    }
    return true;
}

/// Frames of CPUs that the board does not have read as zero.
bool access_redistributor(const Zone& zone, std::uint64_t offset, Access& access) {
    if (!aligned(access)) {
        return false;
    }
    const std::uint64_t cpu = offset / gic::redistributor_size;
    const std::uint64_t physical = gic::redistributors + offset;
    if (!access.is_write) {
        access.value = 0;
        if (cpu < cpu_count) {
            read(physical, access);
        }
    } else if (zone.owns_cpu(cpu)) {
        write_redistributor(physical, offset % gic::redistributor_size, access);
    }
    return true;
}

} // namespace

bool access(Zone& zone, Access& access) {
    if (inside(access.address, zone.gic.distributor)) {
        return access_distributor(zone, access.address - zone.gic.distributor.base, access);
    }
    if (inside(access.address, zone.gic.redistributors)) {
        return access_redistributor(zone, access.address - zone.gic.redistributors.base, access);
    }
    if (inside(access.address, zone.gic.its)) {
        access.value = 0;
        return true;
    }
    return false;
}

void send_sgi(const Zone& zone, std::uint64_t value) {
    constexpr std::uint64_t all_but_self = 1UL << 40;
    constexpr std::uint64_t affinity_1_to_3 = 0xffUL << 48 | 0xffUL << 32 | 0xffUL << 16;
    const std::uint64_t sgi = value >> 24 & 0xf;
    std::uint64_t targets = value & 0xffff;
    if ((value & all_but_self) != 0) {
        targets = zone.cpu_mask & ~(1UL << this_cpu());
    } else if ((value & affinity_1_to_3) != 0) {
        targets = 0;
    }
    targets &= zone.cpu_mask;
    if (targets != 0 && sgi != gic::stop_sgi) {
        TESTVISOR_WRITE_REGISTER("s3_0_c12_c11_5", sgi << 24 | targets);
        instruction_barrier();
    }
}

} // namespace testvisor::vgic
