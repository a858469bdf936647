// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/mapping.hpp"
#include "devices/gpu/canvas.hpp"

#include <cstdint>

namespace hvisor::devices::gpu {

/// Memory of a card that it can show, written by the processor (a "dumb
/// buffer") and black at first. It belongs to the descriptor it was made with,
/// which outlives it.
class DrmBuffer {
  public:
    enum class Use { picture, cursor }; ///< XRGB8888, or ARGB8888

    /// The error says what the kernel refused; the caller puts names before it.
    [[nodiscard]] static Result<DrmBuffer> make(int fd, Size size, Use use);
    DrmBuffer(const DrmBuffer&) = delete;
    DrmBuffer& operator=(const DrmBuffer&) = delete;
    DrmBuffer(DrmBuffer&& other) noexcept;
    DrmBuffer& operator=(DrmBuffer&&) = delete;
    ~DrmBuffer();

    [[nodiscard]] Canvas canvas() const { return {.data = pixels_.data(), .stride = stride_, .size = size_}; }
    [[nodiscard]] std::uint32_t framebuffer() const { return framebuffer_; }
    [[nodiscard]] std::uint32_t handle() const { return handle_; }

  private:
    DrmBuffer(int fd, Size size, std::uint32_t handle) : fd_(fd), size_(size), handle_(handle) {}

    int fd_;
    Size size_;
    std::uint32_t handle_;
    std::uint32_t framebuffer_ = 0;
    std::size_t stride_ = 0;
    Mapping pixels_;
};

} // namespace hvisor::devices::gpu
