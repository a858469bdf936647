// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include "base/errno_text.hpp"

#include <array>
#include <csignal>
#include <cstdint>
#include <format>
#include <fstream>
#include <iterator>
#include <linux/magic.h>
#include <sched.h>
#include <string_view>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hvisor::bench {
namespace {

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Whether the two CPUs are hardware threads of one core: then each slows the
/// other down, which no figure shows by itself.
bool share_a_core(const Cpus& cpus) {
    const auto core = [](int cpu) {
        return content_of(std::format("/sys/devices/system/cpu/cpu{}/topology/core_cpus", cpu));
    };
    return !core(cpus.guest).empty() && core(cpus.guest) == core(cpus.daemon);
}

} // namespace

std::optional<Cpus> choose_cpus() {
    // Once, before anything is pinned.
    static const auto chosen = []() -> std::optional<Cpus> {
        cpu_set_t set;
        CPU_ZERO(&set);
        if (::sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 2) {
            return std::nullopt;
        }
        Cpus cpus{.guest = -1, .daemon = -1};
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set)) {
                cpus.guest = cpus.guest < 0 ? cpu : cpus.guest;
                cpus.daemon = cpu;
            }
        }
        return cpus;
    }();
    return chosen;
}

void pin_to(int cpu) {
    pin_to({.guest = cpu, .daemon = cpu});
}

void pin_to(const Cpus& cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpus.guest, &set);
    CPU_SET(cpus.daemon, &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) {
        fail(std::format("cannot run on CPUs {} and {}", cpus.guest, cpus.daemon));
    }
}

Hog::Hog(int cpu) : process_(::fork()) {
    if (process_ < 0) {
        fail("cannot start a CPU-bound process");
    }
    if (process_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_to(cpu);
        for (volatile std::uint64_t count = 0;;) {
            count = count + 1;
        }
    }
}

Hog::~Hog() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
}

std::string file_system_of(const std::string& folder) {
    struct statfs info{};
    if (::statfs(folder.c_str(), &info) != 0) {
        fail("cannot look at " + folder);
    }
    const auto type = static_cast<std::uint64_t>(info.f_type);
    switch (type) {
    case TMPFS_MAGIC:
        return "tmpfs";
    case EXT4_SUPER_MAGIC:
        return "ext4";
    case XFS_SUPER_MAGIC:
        return "xfs";
    case BTRFS_SUPER_MAGIC:
        return "btrfs";
    case OVERLAYFS_SUPER_MAGIC:
        return "overlayfs";
    default:
        return std::format("file system {:#x}", type);
    }
}

std::string describe_machine() {
    utsname name{};
    ::uname(&name);
    const std::string_view release = name.release;
    const auto end = release.find_first_not_of("0123456789.");
    const bool is_virtual = content_of("/proc/cpuinfo").contains(" hypervisor");
    const auto cpus = *choose_cpus();
    return std::format("{} CPUs{}{}, {}, Linux {}", ::sysconf(_SC_NPROCESSORS_ONLN),
                       is_virtual ? " of a virtual machine" : "",
                       share_a_core(cpus) ? " (the two used here are threads of one core)" : "",
                       std::string_view(name.machine), release.substr(0, end));
}

void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + errno_text());
}

} // namespace hvisor::bench
