// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

extern "C" char program_start[];
extern "C" char helper_entry[];
extern "C" [[noreturn]] void helper_main(std::uint64_t cpu, std::uint64_t argument);
extern "C" [[noreturn]] void unexpected_exception(std::uint64_t cpu, std::uint64_t esr, std::uint64_t elr);

namespace selftest {
namespace {

constexpr std::uint64_t uart = 0x9000000;
constexpr std::uint64_t program_memory = 0x200000;

enum State : unsigned { Idle, Asked, Done, Faulted };

struct Helper {
    State state;
    Work work;
    std::uint64_t argument;
    std::uint64_t result;
    std::uint64_t starts;
    std::uint64_t start_argument;
};

Helper helpers[testvisor::cpu_count];
testvisor::ConfigV6 buffer;

} // namespace

std::int64_t hvc(std::uint64_t code, std::uint64_t a, std::uint64_t b) {
    register std::uint64_t x0 asm("x0") = code;
    register std::uint64_t x1 asm("x1") = a;
    register std::uint64_t x2 asm("x2") = b;
    asm volatile("hvc #0x4856" : "+r"(x0) : "r"(x1), "r"(x2) : "memory");
    return static_cast<std::int64_t>(x0);
}

std::int64_t smc(std::uint64_t function, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    return testvisor::firmware_call(function, a, b, c);
}

void print(const Line& line) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        mmio_write<std::uint32_t>(uart, static_cast<unsigned char>(line.data()[i]));
    }
    mmio_write<std::uint32_t>(uart, '\n');
}

void ask(unsigned cpu, Work work, std::uint64_t argument) {
    Helper& helper = helpers[cpu];
    helper.work = work;
    helper.argument = argument;
    store(helper.state, Asked);
}

bool finished(unsigned cpu) {
    return load(helpers[cpu].state) != Asked;
}

std::uint64_t wait_for(unsigned cpu) {
    if (!wait_until([cpu] { return finished(cpu); })) {
        fail(__FILE_NAME__, __LINE__, Line("CPU ", cpu, " does not finish"));
        return 0;
    }
    if (load(helpers[cpu].state) == Faulted) {
        fail(__FILE_NAME__, __LINE__, Line("CPU ", cpu, " took an exception"));
    }
    return helpers[cpu].result;
}

std::uint64_t run_on(unsigned cpu, Work work, std::uint64_t argument) {
    ask(cpu, work, argument);
    return wait_for(cpu);
}

std::uint64_t starts(unsigned cpu) {
    return load(helpers[cpu].starts);
}

std::uint64_t start_argument(unsigned cpu) {
    return helpers[cpu].start_argument;
}

bool wait_for_start(unsigned cpu, std::uint64_t more_than) {
    return wait_until([cpu, more_than] { return starts(cpu) > more_than; });
}

bool start_second_cpu() {
    if (starts(1) == 0) {
        smc(psci_cpu_on, 1, reinterpret_cast<std::uint64_t>(helper_entry));
        CHECK(wait_for_start(1, 0));
    }
    return starts(1) != 0;
}

void sleep_milliseconds(std::uint64_t milliseconds) {
    const Deadline deadline(milliseconds);
    while (!deadline.passed()) {
    }
}

testvisor::ConfigV6& configuration(std::uint32_t id, std::uint64_t cpus) {
    const auto memory = reinterpret_cast<std::uint64_t>(program_start);
    buffer = {};
    auto& config = buffer.prefix;
    config.zone_id = id;
    config.cpus = cpus;
    config.region_count = 3;
    config.regions[0] = {testvisor::region_ram, 0, memory, memory, program_memory};
    config.regions[1] = {testvisor::region_virtio, 0, window, window, 0x200};
    config.regions[2] = {testvisor::region_virtio, 0, other_window, other_window, 0x200};
    config.interrupts[2] = 1U << (76 - 64) | 1U << (78 - 64);
    config.entry_point = reinterpret_cast<std::uint64_t>(helper_entry);
    config.kernel_load_paddr = memory;
    config.dtb_load_paddr = memory + 0x1000;
    config.gic_tag = testvisor::gic_tag_v3;
    config.gic = {0x8000000, 0x10000, 0x80a0000, 0xf60000, 0x8080000, 0x20000, {}};
    const char name[] = "helper";
    for (unsigned i = 0; i < sizeof(name); ++i) {
        config.name[i] = name[i];
    }
    buffer.uefi_tag = testvisor::uefi_tag_none;
    return buffer;
}

std::int64_t start(const testvisor::ConfigV6& config) {
    return hvc(zone_start, reinterpret_cast<std::uint64_t>(&config), sizeof(config));
}

bool start_and_wait(std::uint32_t id, std::uint64_t cpus) {
    const auto cpu = static_cast<unsigned>(__builtin_ctzll(cpus));
    const std::uint64_t before = starts(cpu);
    const std::int64_t result = start(configuration(id, cpus));
    CHECK_EQUAL(result, 0);
    if (result != 0 || !wait_for_start(cpu, before)) {
        fail(__FILE_NAME__, __LINE__, Line("zone ", id, " does not come up"));
        return false;
    }
    return true;
}

} // namespace selftest

void helper_main(std::uint64_t cpu, std::uint64_t argument) {
    using namespace selftest;
    Helper& helper = helpers[cpu];
    helper.start_argument = argument;
    store(helper.state, Idle);
    store(helper.starts, helper.starts + 1);
    for (;;) {
        if (load(helper.state) == Asked) {
            helper.result = helper.work(helper.argument);
            store(helper.state, Done);
        }
    }
}

void unexpected_exception(std::uint64_t cpu, std::uint64_t esr, std::uint64_t elr) {
    using namespace selftest;
    if (cpu < 2) {
        print(Line("selftest: FAILED: exception on CPU ", cpu, " at ", Hex{elr}, ", syndrome ", Hex{esr}));
        smc(psci_system_off);
    }
    helpers[cpu].result = elr;
    store(helpers[cpu].state, Faulted);
    for (;;) {
    }
}
