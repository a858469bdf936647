// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.hpp"

#include "base/errno_text.hpp"

#include <sys/mman.h>
#include <utility>

namespace hvisor {

Mapping::Mapping(void* address, std::size_t size) : data_(static_cast<std::byte*>(address)), size_(size) {}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Mapping::~Mapping() {
    if (data_ != nullptr) {
        ::munmap(data_, size_);
    }
}

Result<Mapping> Mapping::map_shared(int fd, std::uint64_t offset, std::size_t size, std::string_view what) {
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
    if (address == MAP_FAILED) {
        return fail(ErrorCode::io_error, "cannot map {} ({:#x} bytes at {:#x}): {}", what, size, offset,
                    errno_text());
    }
    return Mapping(address, size);
}

Result<Mapping> Mapping::anonymous(std::size_t size) {
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
        return fail(ErrorCode::failed, "cannot get {:#x} bytes of memory: {}", size, errno_text());
    }
    return Mapping(address, size);
}

} // namespace hvisor
