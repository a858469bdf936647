// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/error.hpp"
#include "base/reactor.hpp"
#include "devices/gpu/screen.hpp"
#include "devices/gpu/vnc_server.hpp"

#include <cstdint>
#include <memory>

namespace hvisor::devices::gpu {

/// A screen that nobody needs to look at: for screenshots, tests and, with a
/// VncServer, viewers elsewhere. What is to be seen lies in a memory file. It shows at most as many
/// frames a second as `refresh` says, so that no guest draws all the time that
/// the root zone has; 0 shows each at once.
class HeadlessScreen final : public Screen {
  public:
    HeadlessScreen(Reactor& owner, Size preferred, std::uint32_t refresh_millihertz = default_refresh);

    /// Let others look at it by VNC; once, before it is used.
    [[nodiscard]] Result<void> serve(VncSettings settings, RemoteInput input);

    HeadlessScreen(const HeadlessScreen&) = delete;
    HeadlessScreen& operator=(const HeadlessScreen&) = delete;
    HeadlessScreen(HeadlessScreen&&) = delete;
    HeadlessScreen& operator=(HeadlessScreen&&) = delete;
    ~HeadlessScreen() override;

    [[nodiscard]] ScreenFacts facts() const override;
    [[nodiscard]] Result<void> turn_on(const Picture& picture) override;
    void turn_off() override;
    [[nodiscard]] std::uint64_t present(const Rect& damage) override;
    [[nodiscard]] std::uint64_t shown() const override;
    void set_cursor(const Cursor* cursor) override;
    void move_cursor(CursorPosition position) override;
    [[nodiscard]] bool read(const Canvas& to) const override;
    [[nodiscard]] Result<void> resize(Size size) override;
    [[nodiscard]] std::size_t viewers() const override;
    void close() override;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace hvisor::devices::gpu
