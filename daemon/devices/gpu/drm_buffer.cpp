// SPDX-License-Identifier: Apache-2.0
#include "devices/gpu/drm_buffer.hpp"

#include "base/errno_text.hpp"

#include <array>
#include <drm_fourcc.h>
#include <utility>
#include <xf86drm.h>
#include <xf86drmMode.h>

namespace hvisor::devices::gpu {
namespace {

constexpr std::uint32_t bits_per_pixel = 32;

} // namespace

Result<DrmBuffer> DrmBuffer::make(int fd, Size size, Use use) {
    std::uint32_t handle = 0;
    std::uint32_t stride = 0;
    std::uint64_t bytes = 0;
    if (drmModeCreateDumbBuffer(fd, size.width, size.height, bits_per_pixel, 0, &handle, &stride, &bytes) !=
        0) {
        return fail(ErrorCode::failed, "no memory for {} x {} pixels: {}", size.width, size.height,
                    errno_text());
    }
    DrmBuffer buffer(fd, size, handle);
    buffer.stride_ = stride;
    const std::array<std::uint32_t, 4> handles{handle};
    const std::array<std::uint32_t, 4> strides{stride};
    const std::array<std::uint32_t, 4> offsets{};
    const auto format = use == Use::cursor ? DRM_FORMAT_ARGB8888 : DRM_FORMAT_XRGB8888;
    if (drmModeAddFB2(fd, size.width, size.height, format, handles.data(), strides.data(), offsets.data(),
                      &buffer.framebuffer_, 0) != 0) {
        return fail(ErrorCode::failed, "cannot show pixels of 32 bits: {}", errno_text());
    }
    std::uint64_t offset = 0;
    if (drmModeMapDumbBuffer(fd, handle, &offset) != 0) {
        return fail(ErrorCode::failed, "cannot map a buffer: {}", errno_text());
    }
    auto pixels = Mapping::map_shared(fd, offset, bytes, "a buffer of a graphics card");
    if (!pixels) {
        return std::unexpected(std::move(pixels).error());
    }
    buffer.pixels_ = std::move(*pixels);
    return buffer;
}

DrmBuffer::DrmBuffer(DrmBuffer&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      handle_(other.handle_),
      framebuffer_(other.framebuffer_),
      stride_(other.stride_),
      pixels_(std::move(other.pixels_)) {}

DrmBuffer::~DrmBuffer() {
    if (fd_ < 0) {
        return;
    }
    pixels_ = {};
    if (framebuffer_ != 0) {
        drmModeRmFB(fd_, framebuffer_);
    }
    drmModeDestroyDumbBuffer(fd_, handle_);
}

} // namespace hvisor::devices::gpu
