// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <format>
#include <numeric>
#include <random>
#include <stdexcept>
#include <unistd.h>

namespace hvisor::bench {

Image::Image(const std::string& folder, std::uint64_t size)
    : size_(size), file_system_(file_system_of(folder)) {
    std::string path = folder + "/hvisor-bench-XXXXXX";
    file_.reset(::mkostemp(path.data(), O_CLOEXEC));
    if (!file_) {
        fail("cannot make an image in " + folder);
    }
    ::unlink(path.c_str());
    std::vector<std::byte> chunk(std::size_t{1} << 20);
    const Load load{.bytes = static_cast<std::uint32_t>(chunk.size())};
    for (std::uint64_t offset = 0; offset < size; offset += chunk.size()) {
        mark_block(chunk.data(), load, static_cast<std::uint32_t>(offset / chunk.size()));
        if (::pwrite(file_.get(), chunk.data(), chunk.size(), static_cast<off_t>(offset)) !=
            static_cast<ssize_t>(chunk.size())) {
            fail("cannot write an image in " + folder);
        }
    }
    // Nothing of it shall be written while something is measured.
    write_back();
}

UniqueFd Image::open(int flags) const {
    const auto path = std::format("/proc/self/fd/{}", file_.get());
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags));
    if (!fd) {
        fail("cannot open an image again");
    }
    return fd;
}

void Image::write_back() const {
    if (::fsync(file_.get()) != 0) {
        fail("cannot write an image to its disk");
    }
}

void Image::drop_cache() const {
    write_back();
    ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_DONTNEED);
}

std::vector<std::uint32_t> Image::in_order(std::uint32_t bytes) const {
    std::vector<std::uint32_t> blocks(size_ / bytes);
    std::ranges::iota(blocks, 0U);
    return blocks;
}

std::vector<std::uint32_t> Image::shuffled(std::uint32_t bytes) const {
    auto blocks = in_order(bytes);
    std::ranges::shuffle(blocks, std::minstd_rand(1)); // the same in every run
    return blocks;
}

void mark_block(std::byte* buffer, const Load& load, std::uint32_t block) {
    const auto first = std::uint64_t{block} * (load.bytes / block_bytes);
    for (std::uint32_t i = 0; i < load.bytes / block_bytes; ++i) {
        const auto number = first + i;
        std::memcpy(buffer + std::size_t{i} * block_bytes, &number, sizeof number);
    }
}

void check_block(const std::byte* buffer, const Load& load, std::uint32_t block) {
    std::uint64_t number = 0;
    std::memcpy(&number, buffer, sizeof number);
    if (number != std::uint64_t{block} * (load.bytes / block_bytes)) {
        throw std::runtime_error(std::format("block {} was read, and is not what was asked for", number));
    }
}

} // namespace hvisor::bench
