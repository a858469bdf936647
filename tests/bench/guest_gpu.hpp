// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "devices/gpu/config.hpp"
#include "guest_queue.hpp"
#include "measure.hpp"
#include "stack.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hvisor::bench {

/// Linux's virtio-gpu driver with one picture that changes all the time: in a
/// resource that is transferred before each flush, or in a blob, which is only
/// flushed.
class GuestGpu {
  public:
    GuestGpu(Stack& stack, std::uint32_t width, std::uint32_t height, bool is_blob);

    /// The picture is there, and on the scanout.
    void show();
    /// One frame after the other, as many as go or so many a second; a latency
    /// is that from the kick to the answer of the flush.
    [[nodiscard]] Outcome run(double seconds, std::optional<double> rate = std::nullopt);

    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    /// What the guest has drawn.
    [[nodiscard]] std::span<const std::byte> picture() const { return {host_picture_, bytes_}; }

  private:
    /// Write a command into a slot and make it available.
    template <class... Parts>
    void add(std::uint16_t slot, devices::gpu::Command type, const Parts&... parts);
    /// Until all that was added is answered, each with OK.
    void finish();
    void draw();
    void send_frame();

    static constexpr std::uint16_t queue_size = 64;
    static constexpr std::uint32_t request_size = 128;

    Stack& stack_;
    GuestQueue control_;
    GuestQueue cursor_;
    GuestDevice device_;
    std::uint32_t width_;
    std::uint32_t height_;
    bool is_blob_;
    std::size_t bytes_;
    std::uint64_t picture_;
    std::byte* host_picture_;
    std::uint64_t requests_; ///< of each slot
    std::uint64_t answers_;  ///< the same
    unsigned in_flight_ = 0;
    std::uint32_t frame_ = 0;
};

} // namespace hvisor::bench
