// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "devices/gpu/canvas.hpp"
#include "devices/gpu/outcome.hpp"
#include "devices/gpu/renderer.hpp"
#include "devices/gpu/screen.hpp"
#include "virtio/device.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hvisor::devices::gpu {

/// What one zone's driver may make the daemon keep.
struct GpuLimits {
    std::size_t resources = 4096;
    /// Bytes of pixels, and of what describes guest memory behind them.
    std::uint64_t memory = std::uint64_t{256} << 20;
    /// Of three dimensions: Linux's driver makes one for each program that draws.
    std::size_t contexts = 256;
    /// Bytes of commands that another process can go on with; no more than there is memory for.
    std::size_t journal = SIZE_MAX;
};

/// One scanout at one moment.
struct ScanoutState {
    std::string connector; ///< "HDMI-A-1"; "" where there is none
    bool is_connected = false;
    bool is_on = false;                  ///< the driver shows a picture
    Size size{};                         ///< of the picture; while it is off, what the driver is asked to use
    std::uint32_t refresh = 0;           ///< mHz
    std::uint64_t frames = 0;            ///< shown since the zone started
    std::uint32_t frames_per_second = 0; ///< in the second that ended last
    std::string remote;                  ///< where it can be seen by VNC; "" where it cannot
    std::size_t viewers = 0;             ///< who look at it there now
};

/// A picture that was taken: rows of Canvas pixels without gaps.
struct Screenshot {
    Size size{};
    std::vector<std::byte> pixels;
};

/// A virtio GPU device (virtio 1.2, 5.7), one screen a scanout. It draws in two
/// dimensions by itself, and in three by a renderer. Its owner is a thread of its own: copying a picture
/// takes longer than a guest CPU may wait for a register.
class GpuDevice final : public virtio::Device {
  public:
    /// Of DeviceContext::state: 65,536 pieces of guest memory are 1 MiB there, and it has them twice.
    static constexpr std::size_t memory_size = std::size_t{8} << 20;

    /// 1 … max_scanouts screens, and the renderer if there is one, which were made for
    /// the context's owner.
    GpuDevice(virtio::DeviceContext context, std::vector<std::unique_ptr<Screen>> screens,
              const GpuLimits& limits = {}, std::unique_ptr<Renderer> renderer = nullptr);
    GpuDevice(const GpuDevice&) = delete;
    GpuDevice& operator=(const GpuDevice&) = delete;
    GpuDevice(GpuDevice&&) = delete;
    GpuDevice& operator=(GpuDevice&&) = delete;
    ~GpuDevice() override;

    /// Any thread but the owner, as all below. Never waits for a picture that is being drawn.
    [[nodiscard]] std::vector<ScanoutState> scanouts();
    /// What is to be seen, with the cursor if `with_cursor`. `no_such_device`
    /// for a scanout that is not there, `wrong_state` for one that is off.
    [[nodiscard]] Result<Screenshot> take_screenshot(std::size_t scanout, bool with_cursor);
    /// Ask the driver to use another size (Screen::resize()).
    [[nodiscard]] Result<void> resize(std::size_t scanout, Size size);
    /// Bytes that the driver makes the daemon keep, at most GpuLimits::memory.
    [[nodiscard]] std::uint64_t memory_used() const;
    /// What draws in three dimensions: "virgl (LLVMPIPE (LLVM 19.1.7, 256 bits))"; "" when nothing does.
    [[nodiscard]] std::string renderer_name() const;

    /// Gives the screens back: a zone that has stopped is kept for its consoles,
    /// and another one may want to have its display.
    void disconnect() override;

    [[nodiscard]] std::string_view type_name() const override { return "gpu"; }
    /// "headless", or the connectors: "HDMI-A-1, DP-1".
    [[nodiscard]] std::string backend_name() const override;

  private:
    void do_activate() override;
    void do_resume() override;
    void do_kick(std::size_t queue) override;
    void do_request(std::size_t queue, virtio::Chain chain) override;
    void do_stop_queue(std::size_t queue) override;
    void do_reset() override;
    void do_config_written(std::size_t offset, std::span<const std::byte> bytes) override;
    void do_quiesce() override;
    void do_close() override;

    void note_refusal(std::size_t queue, std::uint32_t command, const Refusal& refusal);

    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace hvisor::devices::gpu
