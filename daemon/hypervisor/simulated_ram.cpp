// SPDX-License-Identifier: Apache-2.0
#include "hypervisor/simulated_ram.hpp"

#include "base/checked.hpp"
#include "base/errno_text.hpp"

#include <algorithm>
#include <fcntl.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hvisor::hypervisor {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t ram_file_size = std::uint64_t{1} << 40;

} // namespace

// Memory that can be copied to and from and not pinned is what a board has: memfd_secret()
// is the one kind of it that needs neither root nor a driver, but it counts as locked memory,
// of which others than root have little: so all that zones may use is tried at once.
SimulatedRam::SimulatedRam(std::uint64_t address, std::uint64_t size)
    : file_(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC))), address_(address), size_(size) {
    if (file_ && ::ftruncate(file_.get(), ram_file_size) == 0 &&
        Mapping::map_shared(file_.get(), 0, size, "simulated memory")) {
        refuses_pinning_ = true;
        return;
    }
    file_.reset(::memfd_create("hvisor-ram", MFD_CLOEXEC));
    if (!file_ || ::ftruncate(file_.get(), ram_file_size) != 0) {
        throw std::runtime_error("no memory for the simulated hypervisor: " + errno_text());
    }
}

bool SimulatedRam::has(std::uint64_t address, std::uint64_t size) const {
    return range_inside(address, size, address_, size_);
}

Result<Mapping> SimulatedRam::map(std::uint64_t address, std::uint64_t size) const {
    if (address % page_bytes != 0 || size == 0 || !has(address, size)) {
        return fail(
            ErrorCode::invalid_config,
            "cannot map guest memory {:#x} at {:#x}: it is not reserved for zones ({:#x} at {:#x} is)", size,
            address, size_, address_);
    }
    return Mapping::map_shared(file_.get(), address, size, "guest memory");
}

Result<void> SimulatedRam::load(std::uint64_t address, std::span<const std::byte> bytes) const {
    const auto begin = address / page_bytes * page_bytes;
    auto mapping = map(begin, address - begin + bytes.size());
    if (!mapping) {
        return std::unexpected(std::move(mapping).error());
    }
    std::ranges::copy(bytes, mapping->data() + (address - begin));
    return {};
}

Result<void> SimulatedRam::clear(std::uint64_t address, std::uint64_t size) const {
    const auto begin = address / page_bytes * page_bytes;
    auto mapping = map(begin, address - begin + size);
    if (!mapping) {
        return std::unexpected(std::move(mapping).error());
    }
    std::fill_n(mapping->data() + (address - begin), size, std::byte{0});
    return {};
}

} // namespace hvisor::hypervisor
