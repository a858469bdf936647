// SPDX-License-Identifier: Apache-2.0
#include "base/state_memory.hpp"

#include "base/errno_text.hpp"

#include <algorithm>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace hvisor {
namespace {

/// Without them whoever has the file could end this process by a shorter one (SIGBUS).
constexpr int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;

} // namespace

Result<StateMemory> StateMemory::create(const std::string& name, std::size_t size) {
    UniqueFd file(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
        ::fcntl(file.get(), F_ADD_SEALS, size_seals) != 0) {
        return fail(ErrorCode::failed, "cannot make a file for the state of {}: {}", name, errno_text());
    }
    return open(std::move(file), name, size);
}

Result<StateMemory> StateMemory::open(UniqueFd file, const std::string& name, std::size_t size) {
    struct stat status = {};
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    if (seals < 0 || (seals & size_seals) != size_seals || ::fstat(file.get(), &status) != 0 ||
        static_cast<std::size_t>(status.st_size) != size) {
        return fail(ErrorCode::incompatible, "the file with the state of {} is none of this hvisord's", name);
    }
    auto mapping = Mapping::map_shared(file.get(), 0, size, "the state of " + name);
    if (!mapping) {
        return std::unexpected(std::move(mapping).error());
    }
    return StateMemory(std::move(file), std::move(*mapping));
}

std::shared_ptr<const StateMemory> StateMemory::of_process(std::size_t size) {
    auto memory = create("hvisor state", size);
    if (!memory) {
        throw std::bad_alloc();
    }
    return std::make_shared<const StateMemory>(std::move(*memory));
}

void StateMemory::clear() const {
    if (::madvise(mapping_.data(), mapping_.size(), MADV_REMOVE) != 0) {
        std::ranges::fill(bytes(), std::byte{0});
    }
}

} // namespace hvisor
