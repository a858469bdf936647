// SPDX-License-Identifier: Apache-2.0
//
// Every exit from a guest.
#include "arch.hpp"
#include "bridge.hpp"
#include "cpu.hpp"
#include "frame.hpp"
#include "gic.hpp"
#include "hypercall.hpp"
#include "psci.hpp"
#include "vgic.hpp"
#include "zone.hpp"

extern "C" void handle_synchronous(testvisor::Frame& frame);
extern "C" void handle_fiq(testvisor::Frame& frame);
extern "C" [[noreturn]] void unexpected_exception(const testvisor::Frame& frame, std::uint64_t vector);

namespace testvisor {
namespace {

enum ExceptionClass : std::uint64_t {
    Hvc64 = 0x16,
    Smc64 = 0x17,
    SystemRegister = 0x18,
    InstructionAbort = 0x20,
    DataAbort = 0x24,
};

constexpr std::uint64_t write_icc_sgi1r = 3UL << 20 | 5UL << 17 | 0UL << 14 | 12UL << 10 | 11UL << 1;
constexpr std::uint64_t register_of_trap = 0x1fUL << 5;

/// The fields of a data abort's syndrome that describe the instruction.
class Syndrome {
  public:
    explicit Syndrome(std::uint64_t esr) : esr_(esr) {}

    /// False for what the CPU does not describe, like pairs of registers, and
    /// for aborts that are not a missing translation of the access itself.
    [[nodiscard]] bool usable() const {
        constexpr std::uint64_t cache_maintenance = 1UL << 8;
        constexpr std::uint64_t table_walk = 1UL << 7;
        constexpr std::uint64_t translation_fault = 0x4;
        return bit(24) && (esr_ & (cache_maintenance | table_walk)) == 0 &&
               (esr_ & 0x3c) == translation_fault;
    }
    [[nodiscard]] unsigned size() const { return 1U << (esr_ >> 22 & 3); }
    [[nodiscard]] unsigned register_number() const { return esr_ >> 16 & 0x1f; }
    [[nodiscard]] bool is_write() const { return bit(6); }

    /// The register's new content. Only a load that extends the sign cuts the
    /// answer to its size: the real one hands over all 64 bits otherwise.
    [[nodiscard]] std::uint64_t extended(std::uint64_t answer) const {
        if (!bit(21)) {
            return answer;
        }
        const unsigned unused = 64 - size() * 8;
        const auto value = static_cast<std::int64_t>(answer << unused) >> unused;
        return bit(15) ? static_cast<std::uint64_t>(value) : static_cast<std::uint32_t>(value);
    }

  private:
    [[nodiscard]] bool bit(unsigned number) const { return (esr_ >> number & 1) != 0; }

    std::uint64_t esr_;
};

std::uint64_t guest_physical_address() {
    const std::uint64_t page = (TESTVISOR_READ_REGISTER("hpfar_el2") & ~0xfUL) << 8;
    return page | (TESTVISOR_READ_REGISTER("far_el2") & 0xfff);
}

bool emulate(Zone& zone, Access& access) {
    for (unsigned i = 0; i < zone.virtio_count; ++i) {
        const Window& window = zone.virtio[i];
        if (access.address >= window.base && access.address - window.base < window.size) {
            bridge::access(zone, window, access);
            return true;
        }
    }
    return vgic::access(zone, access);
}

/// As in the real one an access that nobody takes marks the zone and is skipped.
void handle_data_abort(Frame& frame, std::uint64_t esr) {
    Zone& zone = *current_cpu().zone;
    const Syndrome syndrome(esr);
    const std::uint64_t address = guest_physical_address();
    const unsigned number = syndrome.register_number();
    if (syndrome.usable()) {
        Access access{address, syndrome.size(), syndrome.is_write(), 0};
        if (access.is_write) {
            access.value = frame.get(number);
        }
        if (emulate(zone, access)) {
            if (!access.is_write) {
                frame.set(number, syndrome.extended(access.value));
            }
            return;
        }
    }
    zone.fail(
        Line("access to ", Hex{address}, " that nobody takes, at ", Hex{frame.pc}, ", syndrome ", Hex{esr}));
}

void handle_system_register(const Frame& frame, std::uint64_t esr) {
    Zone& zone = *current_cpu().zone;
    if ((esr & 0x1ffffff & ~register_of_trap) == write_icc_sgi1r) {
        vgic::send_sgi(zone, frame.get(esr >> 5 & 0x1f));
        return;
    }
    zone.fail(Line("system register access that nobody takes, at ", Hex{frame.pc}, ", syndrome ", Hex{esr}));
}

} // namespace
} // namespace testvisor

void handle_synchronous(testvisor::Frame& frame) {
    using namespace testvisor;
    const std::uint64_t esr = TESTVISOR_READ_REGISTER("esr_el2");
    constexpr std::uint64_t instruction_size = 4;
    switch (esr >> 26) {
    case Hvc64:
        // The return address is already behind it.
        frame.x[0] = static_cast<std::uint64_t>(hypercall(frame.x[0], frame.x[1], frame.x[2]));
        return;
    case Smc64:
        frame.pc += instruction_size;
        psci::handle(frame);
        return;
    case SystemRegister:
        handle_system_register(frame, esr);
        frame.pc += instruction_size;
        return;
    case DataAbort:
        handle_data_abort(frame, esr);
        frame.pc += instruction_size;
        return;
    case InstructionAbort:
        // The next instruction would fault as well: the CPU rests until its zone is shut down.
        current_cpu().zone->fail(Line("jump to ", Hex{frame.pc}, ", where it has no memory"));
        park();
    default:
        current_cpu().zone->fail(
            Line("exception that nobody takes, at ", Hex{frame.pc}, ", syndrome ", Hex{esr}));
        frame.pc += instruction_size;
        return;
    }
}

void handle_fiq(testvisor::Frame&) {
    using namespace testvisor;
    if (gic::take_stop_request() &&
        (panicking() || __atomic_load_n(&current_cpu().zone->stopping, __ATOMIC_ACQUIRE))) {
        park();
    }
}

void unexpected_exception(const testvisor::Frame& frame, std::uint64_t vector) {
    using namespace testvisor;
    panic("exception in the hypervisor: vector ", vector, ", at ", Hex{frame.pc}, ", syndrome ",
          Hex{TESTVISOR_READ_REGISTER("esr_el2")}, ", address ", Hex{TESTVISOR_READ_REGISTER("far_el2")});
}
