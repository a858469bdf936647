// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/memory_file.hpp"

#include "base/errno_text.hpp"

#include <cerrno>
#include <fcntl.h>
#include <format>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

namespace hvisor::devices::gpu {

Result<MemoryFile> MemoryFile::make(const char* name, std::size_t bytes) {
    MemoryFile made{.file = UniqueFd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)), .mapping = {}};
    // To whom it is lent for reading, it cannot be opened for writing (proc_pid_fd(5)).
    if (made.file) {
        static_cast<void>(::fchmod(made.file.get(), S_IRUSR));
    }
    const int error = made.file ? ::posix_fallocate(made.file.get(), 0, static_cast<off_t>(bytes)) : errno;
    if (error != 0 || ::fcntl(made.file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return fail(ErrorCode::failed, "cannot get {} bytes of memory: {}", bytes,
                    errno_text(error != 0 ? error : errno));
    }
    auto mapping = Mapping::map_shared(made.file.get(), 0, bytes, "a memory file");
    if (!mapping) {
        return std::unexpected(std::move(mapping).error());
    }
    made.mapping = std::move(*mapping);
    return made;
}

UniqueFd MemoryFile::lend() const {
    return UniqueFd(::open(std::format("/proc/self/fd/{}", file.get()).c_str(), O_RDONLY | O_CLOEXEC));
}

} // namespace hvisor::devices::gpu
