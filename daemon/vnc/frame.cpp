// SPDX-License-Identifier: Apache-2.0
#include "vnc/frame.hpp"

#include <cstring>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

namespace hvisor::vnc {
namespace {

/// Read-only; empty when the file is shorter than that, which would be a SIGBUS later.
Mapping map(int file, std::size_t size) {
    struct stat status{};
    if (::fstat(file, &status) != 0 || std::cmp_less(status.st_size, size)) {
        return {};
    }
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
    return address != MAP_FAILED ? Mapping(address, size) : Mapping();
}

} // namespace

Frame::Frame(std::uint32_t width, std::uint32_t height)
    : width_(width), height_(height), pixels_(std::size_t{width} * height) {}

Frame::Frame(const viewer::Picture& picture, const UniqueFd& file) : Frame(picture.width, picture.height) {
    stride_ = picture.stride;
    if (stride_ >= bytes_per_pixel * width_) {
        lent_ = map(file.get(), stride_ * height_);
    }
    static_cast<void>(refresh({.x = 0, .y = 0, .width = width_, .height = height_}));
}

bool Frame::refresh(const viewer::Changed& part) {
    if (!lent_ || part.x > width_ || part.width > width_ - part.x || part.y > height_ ||
        part.height > height_ - part.y) {
        return false;
    }
    for (auto y = part.y; y < part.y + part.height; ++y) {
        std::memcpy(pixels_.data() + std::size_t{width_} * y + part.x,
                    lent_.data() + stride_ * y + bytes_per_pixel * part.x, bytes_per_pixel * part.width);
    }
    return true;
}

} // namespace hvisor::vnc
